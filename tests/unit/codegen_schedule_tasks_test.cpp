#include <doctest/doctest.h>

#include "codegen/schedule/tasks.h"

using namespace ag;

TEST_CASE("tasks are balanced where there is work enough to split") {
  // Five panels of seven rows: five tasks would leave one of two threads idle for a sixth.
  const int64_t rows = units_per_task(5, 7, 15e6);
  const int64_t tasks = 5 * ((7 + rows - 1) / rows);
  CHECK(tasks > 5);
  CHECK(task_imbalance(tasks, static_cast<double>(rows), 35) < 1.06);
  CHECK(units_per_task(6, 14, 8e6) * 6 <= 6 * 14);
}

TEST_CASE("tasks are neither too small nor too large") {
  CHECK(units_per_task(1, 100, 2 * kLeastTaskWork) >= 50);
  CHECK(units_per_task(1, 100, kLeastTaskWork / 2) == 100);
  for (const double work : {1e7, 1e8, 1e9, 1e10}) {
    const int64_t units = 224;
    const int64_t per = units_per_task(4, units, work);
    CHECK(per >= 1);
    CHECK(per <= units);
    CHECK((per == 1 || work / (4 * units) * static_cast<double>(per) <= kMostTaskWork));
  }
}

TEST_CASE("even tasks have equal parts") {
  for (int64_t units = 1; units <= 64; ++units) {
    CHECK(units % units_per_task(3, units, 5e6, true) == 0);
  }
}

TEST_CASE("tasks of unequal sizes are taken in order") {
  // Tasks of 4, 3, 4 and 3 rows: two threads have seven each, four wait for the longest.
  CHECK(uneven_tasks(2, 7, 4) == doctest::Approx(0.5 + 0.3 * 16 / 14 + 0.2 * 32 / 14));
  // Without a rest it is the imbalance of equal tasks.
  for (int64_t bands = 1; bands <= 5; ++bands) {
    const auto tasks = static_cast<double>(bands * 3);
    CHECK(uneven_tasks(bands, 6, 2) == doctest::Approx(task_imbalance(bands * 3, 1, tasks)));
  }
}

TEST_CASE("imbalance is the time of the last thread to finish") {
  CHECK(task_imbalance(8, 1, 8) == 1);
  // Three tasks: two threads take 4/3, four 4/3, eight 8/3 of the least time.
  CHECK(task_imbalance(3, 1, 3) == doctest::Approx(0.5 * 4 / 3 + 0.3 * 4 / 3 + 0.2 * 8 / 3));
}
