package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.LocalDate;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class PartitionOfTest {
  private static final long MICROS_PER_DAY = 86_400_000_000L;

  @Test
  void daysOfAllYearsShareABoundedNumberOfPartitions() {
    Set<Long> byMonth = new HashSet<>();
    Set<Long> byYear = new HashSet<>();
    for (int day = NativeWriter.MIN_DATE_DAYS; day <= NativeWriter.MAX_DATE_DAYS; day++) {
      byMonth.add(PartitionOf.monthOrDecade(day * MICROS_PER_DAY));
      byYear.add(PartitionOf.yearOrDecade(day));
    }
    assertThat(byMonth).hasSize(398);
    assertThat(byYear).hasSize(67);
  }

  @Test
  void ordinaryEventsHaveTheirMonthAndOthersTheirDecade() {
    assertThat(month("2015-01-01")).isEqualTo(201501);
    assertThat(month("2044-12-31")).isEqualTo(204412);
    assertThat(month("2014-12-31")).isEqualTo(2010);
    assertThat(month("2045-01-01")).isEqualTo(2040);
    assertThat(month("1900-01-02")).isEqualTo(1900);
    assertThat(month("2299-12-30")).isEqualTo(2290);
  }

  private static long month(String day) {
    return PartitionOf.monthOrDecade(LocalDate.parse(day).toEpochDay() * MICROS_PER_DAY);
  }

  @Property
  void everyIdIsInOneOfFourPartitions(@ForAll long id) {
    assertThat(PartitionOf.bucket(id)).isBetween(0L, 3L);
  }

  @Test
  void sequentialAndShiftedIdsAreSpreadEvenly() {
    for (int shift : new int[] {0, 8, 22, 40}) {
      long[] rows = new long[4];
      LongStream.range(-5_000, 5_000).forEach(id -> rows[(int) PartitionOf.bucket(id << shift)]++);
      assertThat(LongStream.of(rows).min().orElseThrow()).isGreaterThan(2_200);
    }
  }
}
