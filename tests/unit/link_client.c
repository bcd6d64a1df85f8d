/* A C99 program with two networks; built by codegen_link_files_test. */
#include <math.h>
#include <stdio.h>
#include "alpha.h"
#include "beta.h"
int main(void) {
  float vector[8], a[8], b[8], image[32], scaled[32];
  argent_error error;
  argent_network* alpha = alpha_open(&error);
  argent_network* beta = beta_open(&error);
  argent_instance* first = argent_create(alpha, 2, &error);
  argent_instance* second = argent_create(beta, 2, &error);
  int i;
  if (!first || !second) return 2;
  for (i = 0; i < 8; ++i) vector[i] = (float)i / 4;
  for (i = 0; i < 32; ++i) image[i] = (float)i;
  if (alpha_add(first, vector, a) != ARGENT_OK) return 3;
  if (beta_add(second, vector, b) != ARGENT_OK) return 4;
  if (alpha_forward_b4(first, image, scaled) != ARGENT_OK) return 5;
  if (beta_forward_b4(second, image, scaled) != ARGENT_OK) return 6;
  for (i = 0; i < 8; ++i) {
    if (fabsf(a[i] - expf(vector[i]) - 2.0f) > 1e-4f) return 7;
    if (fabsf(b[i] - expf(vector[i]) - 14.0f) > 1e-4f) return 8;
  }
  for (i = 0; i < 32; ++i) if (scaled[i] != 4 * image[i]) return 9;
  if (alpha_fail(first, a) != ARGENT_KERNEL_FAILED) return 10;
  puts(argent_message(first));
  if (argent_destroy(first) || argent_destroy(second)) return 11;
  return argent_close(alpha) || argent_close(beta);
}
