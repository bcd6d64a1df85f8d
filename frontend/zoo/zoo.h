// Published networks and the networks of the course, written in the DSL. Parameter names are those
// of the source in the table (torchvision, timm, akamaster/pytorch_resnet_cifar10), so published
// weights load by name.
#pragma once

#include <span>
#include <string_view>

#include "frontend/model.h"

namespace ag {

namespace zoo {

// One file per family. `classes` is the width of the last layer.
Tensor fc_baseline(Tensor image, int64_t classes);
Tensor lenet5(Tensor image, int64_t classes);
Tensor simple_cnn(Tensor image, int64_t classes);
Tensor deeper_cnn(Tensor image, int64_t classes);
Tensor modern_cnn(Tensor image, int64_t classes);
Tensor temporal_cnn(Tensor signal, int64_t classes);
Tensor volume_cnn(Tensor volume, int64_t classes);
Tensor resnet20_cifar(Tensor image, int64_t classes);
Tensor resnet32_cifar(Tensor image, int64_t classes);
Tensor resnet44_cifar(Tensor image, int64_t classes);
Tensor resnet56_cifar(Tensor image, int64_t classes);
Tensor resnet110_cifar(Tensor image, int64_t classes);
// ResNet-18 for images of 32 x 32: a 3x3 convolution in the place of the 7x7 one and its pool.
Tensor resnet18_cifar(Tensor image, int64_t classes);
Tensor resnet18(Tensor image, int64_t classes);
Tensor resnet34(Tensor image, int64_t classes);
Tensor resnet50(Tensor image, int64_t classes);
Tensor resnet101(Tensor image, int64_t classes);
Tensor resnet152(Tensor image, int64_t classes);
Tensor resnext50_32x4d(Tensor image, int64_t classes);
Tensor alexnet(Tensor image, int64_t classes);
Tensor vgg11(Tensor image, int64_t classes);
Tensor vgg13(Tensor image, int64_t classes);
Tensor vgg16(Tensor image, int64_t classes);
Tensor vgg19(Tensor image, int64_t classes);
Tensor vgg11_bn(Tensor image, int64_t classes);
Tensor vgg13_bn(Tensor image, int64_t classes);
Tensor vgg16_bn(Tensor image, int64_t classes);
Tensor vgg19_bn(Tensor image, int64_t classes);
Tensor squeezenet1_0(Tensor image, int64_t classes);
Tensor squeezenet1_1(Tensor image, int64_t classes);
Tensor mobilenet_v1(Tensor image, int64_t classes);
Tensor mobilenet_v2(Tensor image, int64_t classes);
Tensor densenet121(Tensor image, int64_t classes);
Tensor densenet169(Tensor image, int64_t classes);
Tensor densenet201(Tensor image, int64_t classes);
Tensor googlenet(Tensor image, int64_t classes);
Tensor inception_v3(Tensor image, int64_t classes);
Tensor mobilenet_v3_small(Tensor image, int64_t classes);
Tensor mobilenet_v3_large(Tensor image, int64_t classes);
Tensor efficientnet_b0(Tensor image, int64_t classes);
Tensor regnet_y_400mf(Tensor image, int64_t classes);
Tensor nfnet_l0(Tensor image, int64_t classes);
Tensor convnext_tiny(Tensor image, int64_t classes);
Tensor vit_b_16(Tensor image, int64_t classes);
Tensor deit_tiny(Tensor image, int64_t classes);
Tensor swin_t(Tensor image, int64_t classes);
// A score per class and pixel: [batch, classes, height, width].
Tensor unet(Tensor image, int64_t classes);
Tensor deeplabv3_resnet50(Tensor image, int64_t classes);
Tensor r3d_18(Tensor video, int64_t classes);
// A score per amplitude and sample: [batch, classes, samples].
Tensor wavenet(Tensor signal, int64_t classes);

}  // namespace zoo

struct ZooEntry {
  std::string_view name;
  Tensor (*function)(Tensor, int64_t classes);
  std::string_view input;  // its name: "image", "signal", "volume"
  Shape shape;             // of one example, without the batch
  int64_t classes;
  int64_t parameters;  // published count, or the count of the definition where none is published
  double gmacs;        // published multiply-accumulates of one example, 1e9; 0: none published
  std::string_view source;
  // Parts of names in published weights that the network does not use: auxiliary classifiers of
  // training, tables that follow from shapes.
  std::vector<std::string> unused = {};
};

std::span<const ZooEntry> zoo_entries();
// Throws CompileError, with the nearest names, when there is no such network.
const ZooEntry& zoo_entry(std::string_view name);
// The entry as a network; classes = 0 means its own number, extent = 0 its own size of input, else
// that is the extent of each spatial axis. Throws CompileError when the network cannot have it.
Model zoo_model(std::string_view name, int64_t batch = 1, int64_t classes = 0, int64_t extent = 0);

}  // namespace ag
