// The compiled network: no Argent is needed to build or run this, only net.h and the library.
#include <algorithm>
#include <cstdio>

#include "net.h"

int main() {
  argent_error error;
  argent_network* network = net_open(&error);
  argent_instance* instance = network ? argent_create(network, 1, &error) : nullptr;
  if (!instance) {
    std::fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  float image[NET_FORWARD_B1_IMAGE_COUNT], logits[NET_FORWARD_B1_LOGITS_COUNT];
  std::fill_n(image, NET_FORWARD_B1_IMAGE_COUNT, 0.5f);
  if (net_forward_b1(instance, image, logits) != ARGENT_OK) {
    std::fprintf(stderr, "%s\n", argent_message(instance));
    return 1;
  }
  std::printf("class %d, compiled for %s\n", int(std::max_element(logits, logits + 10) - logits),
              net_model()->target);
  argent_destroy(instance);
  argent_close(network);
}
