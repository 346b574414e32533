package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.faults.FaultProxy;
import io.experimentetl.faults.Hangup;
import io.experimentetl.local.PlatformExtension;
import java.sql.SQLException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Kills and restores the job in a loop, with our source and with the stock connector. */
class RestartsIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  /** The repeated fault of the job. */
  private enum Strike {
    JOB_FAILED,
    CONNECTION_CUT
  }

  @ParameterizedTest
  @MethodSource("strikes")
  void everyRowPassesOnceThroughRestarts(Strike strike, RestartLoop.Writer writer)
      throws Exception {
    assertThat(loop(Connector.OURS, strike, writer, 5))
        .containsEntry("restarts", 5L)
        .containsEntry("missing", 0L)
        .containsEntry("misplaced", 0L);
  }

  @ParameterizedTest
  @MethodSource("strikes")
  void stockConnectorLosesRowsInARestart(Strike strike, RestartLoop.Writer writer)
      throws Exception {
    assertThat(loop(Connector.STOCK, strike, writer, 30).get("missing")).isPositive();
  }

  private static List<Arguments> strikes() {
    return List.of(
        Arguments.of(Strike.JOB_FAILED, RestartLoop.Writer.SERIAL),
        Arguments.of(Strike.JOB_FAILED, RestartLoop.Writer.COPY),
        Arguments.of(Strike.CONNECTION_CUT, RestartLoop.Writer.SERIAL));
  }

  private static Map<String, Long> loop(
      Connector connector, Strike strike, RestartLoop.Writer writer, int restarts)
      throws Exception {
    SourceDatabase database = database(writer);
    PostgresSourceSettings settings = database.settings();
    try (FaultProxy line = FaultProxy.to(settings.host(), settings.port())) {
      return new RestartLoop(
              database, connector, writer, restarts, line.port(), doing(strike, line))
          .run();
    }
  }

  /** Null: the job fails by itself. */
  private static Runnable doing(Strike strike, FaultProxy line) {
    return switch (strike) {
      case JOB_FAILED -> null;
      case CONNECTION_CUT -> () -> line.hangUp(Hangup.RESET);
    };
  }

  private static SourceDatabase database(RestartLoop.Writer writer) throws SQLException {
    SourceDatabase database =
        SourceDatabase.create(PLATFORM, "restarts_" + writer.name().toLowerCase(Locale.ROOT));
    database.fill(1);
    return database;
  }
}
