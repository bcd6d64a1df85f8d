/* A network on an NVIDIA GPU, from C: first with tensors in the host's memory, then with tensors
 * that stay on the device, on a stream of the program's own.
 *
 *   argent compile lenet5 --weights lenet5.safetensors --target cuda-sm_80 -o lenet5.so
 *   cc -std=c99 on_device.c lenet5.so -lcuda -Wl,-rpath,. -o on_device && ./on_device
 */
#include <stdio.h>

#include "lenet5.h"

/* What the program needs of <cuda.h>, so that it compiles where there is no toolkit. */
typedef unsigned long long CUdeviceptr;
typedef struct CUstream_st* CUstream;
typedef struct CUctx_st* CUcontext;
typedef int CUdevice, CUresult;
CUresult cuInit(unsigned flags);
CUresult cuDeviceGet(CUdevice* device, int ordinal);
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device);
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device);
CUresult cuCtxPushCurrent_v2(CUcontext context);
CUresult cuCtxPopCurrent_v2(CUcontext* context);
CUresult cuMemAlloc_v2(CUdeviceptr* pointer, size_t bytes);
CUresult cuMemFree_v2(CUdeviceptr pointer);
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream);
CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream);
CUresult cuStreamCreate(CUstream* stream, unsigned flags);
CUresult cuStreamSynchronize(CUstream stream);
CUresult cuStreamDestroy_v2(CUstream stream);

#define PIXELS LENET5_FORWARD_B1_IMAGE_COUNT
#define CLASSES LENET5_FORWARD_B1_LOGITS_COUNT

static void print(const char* what, const float* logits) {
  printf("%s:", what);
  for (int i = 0; i < CLASSES; ++i) printf(" %.5f", logits[i]);
  printf("\n");
}

/* Nothing is copied or waited for but what this function asks for. */
static int run_on_device(argent_instance* instance, const float* image, float* logits) {
  CUdeviceptr x, y;
  CUstream stream;
  int code;
  if (cuMemAlloc_v2(&x, PIXELS * sizeof(float)) || cuMemAlloc_v2(&y, CLASSES * sizeof(float)) ||
      cuStreamCreate(&stream, 1))
    return ARGENT_OUT_OF_MEMORY;
  argent_set_stream(instance, stream);
  cuMemcpyHtoDAsync_v2(x, image, PIXELS * sizeof(float), stream);
  code = lenet5_forward_b1(instance, (const float*)x, (float*)y);
  cuMemcpyDtoHAsync_v2(logits, y, CLASSES * sizeof(float), stream);
  cuStreamSynchronize(stream);
  argent_set_stream(instance, NULL);
  cuStreamDestroy_v2(stream);
  cuMemFree_v2(x);
  cuMemFree_v2(y);
  return code;
}

static int run(argent_instance* instance) {
  static float image[PIXELS], logits[CLASSES];
  CUcontext context;
  CUdevice device;
  int code;
  for (int i = 0; i < PIXELS; ++i) image[i] = (float)(i * 37 % 101) / 50 - 1;
  code = lenet5_forward_b1(instance, image, logits);
  if (code != ARGENT_OK) return code;
  print("host memory", logits);
  /* The network is on device 0, in its primary context. */
  if (cuInit(0) || cuDeviceGet(&device, 0) || cuDevicePrimaryCtxRetain(&context, device))
    return ARGENT_UNSUPPORTED;
  cuCtxPushCurrent_v2(context);
  code = run_on_device(instance, image, logits);
  cuCtxPopCurrent_v2(&context);
  cuDevicePrimaryCtxRelease_v2(device);
  if (code == ARGENT_OK) print("device memory", logits);
  return code;
}

int main(void) {
  argent_error error;
  argent_network* network = argent_open_device(lenet5_model(), 0, &error);
  argent_instance* instance = network ? argent_create(network, 1, &error) : NULL;
  int code = instance ? run(instance) : error.code;
  if (!instance) fprintf(stderr, "cannot open: %s\n", error.message);
  if (instance && code != ARGENT_OK) fprintf(stderr, "cannot run: %s\n", argent_message(instance));
  argent_destroy(instance);
  argent_close(network);
  return code == ARGENT_OK ? 0 : 1;
}
