package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SourceConfigTest {
  private static SourceConfig source(String yaml, Map<String, String> environment) {
    Map<String, String> all = new HashMap<>(environment);
    all.put("EXPERIMENT_ETL_SOURCE_PASSWORD", "p");
    all.put("EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "p");
    return JobConfig.parse("file", yaml, all).source();
  }

  @Test
  void topicsAreWatchedOnlyWhereTheHostIsSet() {
    SourceConfig unset = source("source: {type: kafka}", Map.of());
    assertThat(unset.watchesTopics()).isFalse();
    assertThat(unset.host()).isEqualTo("localhost");
    assertThat(source("source: {type: kafka, host: db}", Map.of()).watchesTopics()).isTrue();
    assertThat(
            source("source: {type: kafka}", Map.of("EXPERIMENT_ETL_SOURCE_HOST", "db"))
                .watchesTopics())
        .isTrue();
    assertThat(source("source: {type: postgres, host: db}", Map.of()).watchesTopics()).isFalse();
  }
}
