// Reads handwritten digits with a compiled LeNet-5:
// g++ -O2 digits.cpp -I. ./lenet5.so -Wl,-rpath,'$ORIGIN'
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "lenet5.h"

int main() {
  argent_instance* lenet5 = argent_create(lenet5_open(nullptr), /*threads=*/1, nullptr);
  float image[28][28], score[10];
  for (FILE* digits = fopen("digits.f32", "rb"); fread(image, sizeof image, 1, digits);) {
    for (auto& row : image) {
      for (float ink : row) fputs(ink > 1.5 ? "##" : ink > 0 ? "::" : "  ", stdout);
      puts("");
    }
    auto start = std::chrono::steady_clock::now();
    lenet5_forward_b1(lenet5, *image, score);
    std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    printf("%d, read in %.0f us\n", int(std::max_element(score, score + 10) - score), time.count());
  }
}
