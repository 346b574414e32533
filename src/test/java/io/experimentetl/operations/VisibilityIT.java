package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class VisibilityIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint clickHouse;

  @BeforeEach
  void createTables() {
    clickHouse = PLATFORM.newClickHouseDatabase("visibility");
    new SqlFiles(Path.of("sql")).applyTo(clickHouse.login(), false);
  }

  @Test
  void nothingIsVisibleBeforeTheFirstMarker() {
    assertThat(WarehouseProgress.of(clickHouse.login())).isEmpty();
    marker(900);
    assertThat(WarehouseProgress.of(clickHouse.login()))
        .contains(new WarehouseProgress(900, Instant.parse("2026-05-17T12:00:00Z"), true));
    new Visibility(clickHouse.login(), () -> true).awaitLsn(899, Duration.ofMinutes(1));
  }

  @Test
  void waitEndsWhenNothingMovesOrTheJobHasEnded() {
    assertThatThrownBy(
            () ->
                new Visibility(clickHouse.login(), () -> true).awaitLsn(1, Duration.ofMillis(300)))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("nothing became visible");
    assertThatThrownBy(
            () ->
                new Visibility(clickHouse.login(), () -> false).awaitLsn(1, Duration.ofMinutes(1)))
        .hasMessageContaining("the job ended before everything was visible");
  }

  private void marker(long lsn) {
    clickHouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done)"
            + " VALUES (7, %d, '2026-05-17 12:00:00', true)".formatted(lsn));
  }
}
