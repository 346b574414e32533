package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.faults.FaultProxy;
import io.experimentetl.faults.Hangup;
import io.experimentetl.local.PlatformExtension;
import java.sql.SQLException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Kills and restores the job in a loop, with our classes and with the original ones. */
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
    assertThat(loop(getClass().getClassLoader(), Connector.OURS, strike, writer, 5))
        .containsEntry("restarts", 5L)
        .containsEntry("missing", 0L)
        .containsEntry("misplaced", 0L);
  }

  @ParameterizedTest
  @MethodSource("strikes")
  void stockConnectorLosesRowsInARestart(Strike strike, RestartLoop.Writer writer)
      throws Exception {
    // Stays open: the cluster's threads still load classes after the job's end.
    ClassLoader stock = new StockLocatorLoader();
    Map<String, Long> counts = loop(stock, Connector.STOCK, strike, writer, 30);
    assertThat(counts.get("missing")).isPositive();
  }

  private static List<Arguments> strikes() {
    return List.of(
        Arguments.of(Strike.JOB_FAILED, RestartLoop.Writer.SERIAL),
        Arguments.of(Strike.JOB_FAILED, RestartLoop.Writer.COPY),
        Arguments.of(Strike.CONNECTION_CUT, RestartLoop.Writer.SERIAL));
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Long> loop(
      ClassLoader loader,
      Connector connector,
      Strike strike,
      RestartLoop.Writer writer,
      int restarts)
      throws Exception {
    SourceDatabase database = database(writer);
    PostgresSourceSettings settings = database.settings();
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    try (FaultProxy line = FaultProxy.to(settings.host(), settings.port())) {
      thread.setContextClassLoader(loader);
      return ((Callable<Map<String, Long>>)
              Class.forName(RestartLoop.class.getName(), true, loader)
                  .getConstructors()[0]
                  .newInstance(
                      settings.host(),
                      settings.port(),
                      settings.database(),
                      settings.username(),
                      database.password(),
                      connector.name(),
                      writer.name(),
                      restarts,
                      line.port(),
                      doing(strike, line)))
          .call();
    } finally {
      thread.setContextClassLoader(before);
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
