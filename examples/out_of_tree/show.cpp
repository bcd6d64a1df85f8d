// Argent as a library: prints the network as the compiler sees it.
#include <argent/argent.h>

#include <iostream>

ag::Model make_net();

int main() {
  const ag::Model model = make_net();
  std::cout << ag::print(model.forward()) << model.parameter_count() << " parameters\n";
}
