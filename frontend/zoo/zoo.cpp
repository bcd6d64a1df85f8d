// The table of networks. Parameter counts, multiply-accumulates and sizes are those published with
// torchvision's weights, with akamaster/pytorch_resnet_cifar10 and with timm; for the course's own
// networks, U-Net and WaveNet those of their definition. Networks with auxiliary classifiers
// (googlenet, inception_v3, deeplabv3_resnet50) are counted without them.
#include "frontend/zoo/zoo.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/suggestion.h"

namespace ag {
namespace {

constexpr std::string_view kImage = "image", kCourse = "the course", kTorchvision = "torchvision",
                           kAkamaster = "akamaster/pytorch_resnet_cifar10";

const Shape kMnist = {1, 28, 28}, kCifar = {3, 32, 32}, kImageNet = {3, 224, 224},
            kInception = {3, 299, 299};

const ZooEntry kZoo[] = {
    {"fc_baseline", zoo::fc_baseline, kImage, kCifar, 10, 1707274, 0, kCourse},
    {"lenet5", zoo::lenet5, kImage, kMnist, 10, 61706, 0, "LeCun 1998"},
    {"simple_cnn", zoo::simple_cnn, kImage, kCifar, 10, 94762, 0, kCourse},
    {"deeper_cnn", zoo::deeper_cnn, kImage, kCifar, 10, 391466, 0, kCourse},
    {"modern_cnn", zoo::modern_cnn, kImage, kCifar, 10, 2777674, 0, kCourse},
    {"temporal_cnn", zoo::temporal_cnn, "signal", {1, 4096}, 10, 38154, 0, kCourse},
    {"volume_cnn", zoo::volume_cnn, "volume", {1, 16, 32, 32}, 10, 70426, 0, kCourse},
    {"resnet20_cifar", zoo::resnet20_cifar, kImage, kCifar, 10, 269722, 0, kAkamaster},
    {"resnet32_cifar", zoo::resnet32_cifar, kImage, kCifar, 10, 464154, 0, kAkamaster},
    {"resnet44_cifar", zoo::resnet44_cifar, kImage, kCifar, 10, 658586, 0, kAkamaster},
    {"resnet56_cifar", zoo::resnet56_cifar, kImage, kCifar, 10, 853018, 0, kAkamaster},
    {"resnet110_cifar", zoo::resnet110_cifar, kImage, kCifar, 10, 1727962, 0, kAkamaster},
    {"resnet18_cifar", zoo::resnet18_cifar, kImage, kCifar, 10, 11173962, 0, "He 2015"},
    {"resnet18", zoo::resnet18, kImage, kImageNet, 1000, 11689512, 1.814, kTorchvision},
    {"resnet34", zoo::resnet34, kImage, kImageNet, 1000, 21797672, 3.664, kTorchvision},
    {"resnet50", zoo::resnet50, kImage, kImageNet, 1000, 25557032, 4.089, kTorchvision},
    {"resnet101", zoo::resnet101, kImage, kImageNet, 1000, 44549160, 7.801, kTorchvision},
    {"resnet152", zoo::resnet152, kImage, kImageNet, 1000, 60192808, 11.514, kTorchvision},
    {"resnext50_32x4d", zoo::resnext50_32x4d, kImage, kImageNet, 1000, 25028904, 4.230,
     kTorchvision},
    {"alexnet", zoo::alexnet, kImage, kImageNet, 1000, 61100840, 0.714, kTorchvision},
    {"vgg11", zoo::vgg11, kImage, kImageNet, 1000, 132863336, 7.609, kTorchvision},
    {"vgg13", zoo::vgg13, kImage, kImageNet, 1000, 133047848, 11.308, kTorchvision},
    {"vgg16", zoo::vgg16, kImage, kImageNet, 1000, 138357544, 15.470, kTorchvision},
    {"vgg19", zoo::vgg19, kImage, kImageNet, 1000, 143667240, 19.632, kTorchvision},
    {"vgg11_bn", zoo::vgg11_bn, kImage, kImageNet, 1000, 132868840, 7.609, kTorchvision},
    {"vgg13_bn", zoo::vgg13_bn, kImage, kImageNet, 1000, 133053736, 11.308, kTorchvision},
    {"vgg16_bn", zoo::vgg16_bn, kImage, kImageNet, 1000, 138365992, 15.470, kTorchvision},
    {"vgg19_bn", zoo::vgg19_bn, kImage, kImageNet, 1000, 143678248, 19.632, kTorchvision},
    {"squeezenet1_0", zoo::squeezenet1_0, kImage, kImageNet, 1000, 1248424, 0.819, kTorchvision},
    {"squeezenet1_1", zoo::squeezenet1_1, kImage, kImageNet, 1000, 1235496, 0.349, kTorchvision},
    {"mobilenet_v1", zoo::mobilenet_v1, kImage, kImageNet, 1000, 4231976, 0.569, "timm"},
    {"mobilenet_v2", zoo::mobilenet_v2, kImage, kImageNet, 1000, 3504872, 0.301, kTorchvision},
    {"densenet121", zoo::densenet121, kImage, kImageNet, 1000, 7978856, 2.834, kTorchvision},
    {"densenet169", zoo::densenet169, kImage, kImageNet, 1000, 14149480, 3.360, kTorchvision},
    {"densenet201", zoo::densenet201, kImage, kImageNet, 1000, 20013928, 4.291, kTorchvision},
    {"googlenet",
     zoo::googlenet,
     kImage,
     kImageNet,
     1000,
     6624904,
     1.498,
     kTorchvision,
     {"aux1", "aux2"}},
    {"inception_v3",
     zoo::inception_v3,
     kImage,
     kInception,
     1000,
     23834568,
     5.713,
     kTorchvision,
     {"AuxLogits"}},
    {"mobilenet_v3_small", zoo::mobilenet_v3_small, kImage, kImageNet, 1000, 2542856, 0.057,
     kTorchvision},
    {"mobilenet_v3_large", zoo::mobilenet_v3_large, kImage, kImageNet, 1000, 5483032, 0.217,
     kTorchvision},
    {"efficientnet_b0", zoo::efficientnet_b0, kImage, kImageNet, 1000, 5288548, 0.386,
     kTorchvision},
    {"regnet_y_400mf", zoo::regnet_y_400mf, kImage, kImageNet, 1000, 4344144, 0.402, kTorchvision},
    {"nfnet_l0", zoo::nfnet_l0, kImage, kImageNet, 1000, 35074488, 0, "timm"},
    {"convnext_tiny", zoo::convnext_tiny, kImage, kImageNet, 1000, 28589128, 4.456, kTorchvision},
    {"vit_b_16", zoo::vit_b_16, kImage, kImageNet, 1000, 86567656, 17.564, kTorchvision},
    {"deit_tiny", zoo::deit_tiny, kImage, kImageNet, 1000, 5717416, 0, "timm"},
    {"swin_t",
     zoo::swin_t,
     kImage,
     kImageNet,
     1000,
     28288354,
     4.491,
     kTorchvision,
     {"relative_position_index"}},
    {"unet", zoo::unet, kImage, {3, 256, 256}, 2, 31037698, 0, "Ronneberger 2015"},
    {"deeplabv3_resnet50",
     zoo::deeplabv3_resnet50,
     kImage,
     {3, 256, 256},
     21,
     39638869,
     0,
     kTorchvision,
     {"aux_classifier"}},
    {"r3d_18", zoo::r3d_18, "video", {3, 16, 112, 112}, 400, 33371472, 40.697, kTorchvision},
    {"wavenet", zoo::wavenet, "signal", {256, 4096}, 256, 894272, 0, "van den Oord 2016"},
};

}  // namespace

std::span<const ZooEntry> zoo_entries() { return kZoo; }

const ZooEntry& zoo_entry(std::string_view name) {
  for (const ZooEntry& entry : kZoo) {
    if (entry.name == name) return entry;
  }
  std::vector<std::string> names;
  for (const ZooEntry& entry : kZoo) names.emplace_back(entry.name);
  throw CompileError(fmt::format("there is no network '{}' in the zoo", name))
      .help(name_help(name, names, "networks"));
}

Model zoo_model(std::string_view name, int64_t batch, int64_t classes, int64_t extent) {
  const ZooEntry& entry = zoo_entry(name);
  if (batch < 1)
    throw CompileError(fmt::format("{}: batch is {}, at least 1 is needed", name, batch));
  Shape shape = entry.shape;
  if (extent != 0) std::fill(shape.begin() + 1, shape.end(), extent);
  shape.insert(shape.begin(), batch);
  const int64_t width = classes > 0 ? classes : entry.classes;
  Network network([function = entry.function, width](Tensor x) { return function(x, width); });
  return trace(network, {.inputs = {{std::string(entry.input), f32(shape)}},
                         .name = std::string(name),
                         .unused = entry.unused});
}

}  // namespace ag
