package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class TableTtlTest {
  @Test
  void clauseStandsBetweenTheOrderAndTheSettings() {
    assertThat(
            TableTtl.clause(
                "ReplacingMergeTree(_version) PARTITION BY toYYYYMM(day) ORDER BY (a, day) TTL day + toIntervalDay(9) SETTINGS index_granularity = 8192"))
        .contains("day + toIntervalDay(9)");
    assertThat(TableTtl.clause("MergeTree ORDER BY a TTL day + toIntervalDay(9)"))
        .contains("day + toIntervalDay(9)");
    assertThat(TableTtl.clause("MergeTree ORDER BY a SETTINGS index_granularity = 8192")).isEmpty();
  }

  @Test
  void rowsAreKeptUntilTheirOnlyRuleRemovesThem() {
    assertThat(TableTtl.kept(Optional.of("if(a > b, a, c) + toIntervalDay(9)")))
        .isEqualTo("toDateTime64(if(a > b, a, c) + toIntervalDay(9), 0, 'UTC') > now64(0, 'UTC')");
    assertThat(TableTtl.kept(Optional.empty())).isEqualTo("true");
    assertThat(
            TableTtl.kept(Optional.of("a + toIntervalDay(1) TO DISK 'slow', a + toIntervalDay(9)")))
        .as("several rules")
        .isEqualTo("true");
  }
}
