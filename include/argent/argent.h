// Argent for users: declare a network, train it, compile it. Everything is in namespace ag.
#pragma once

#include "ir/graph.h"  // IWYU pragma: export
#include "ir/print.h"  // IWYU pragma: export
