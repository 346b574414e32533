package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BatchIdsTest {
  @Test
  void idHasTheLastCheckpointBeforeTheBatch() {
    BatchIds ids = new BatchIds(36, 11);
    assertThat(ids.next()).isEqualTo("10-b-0-0");
    ids.passed(41);
    assertThat(ids.next()).isEqualTo("10-b-41-1");
    assertThat(ids.nextEarly()).isEqualTo("10-b-41-2-early");
  }
}
