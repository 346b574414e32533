package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.platform.PlatformExtension;
import java.sql.SQLException;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Kill and restore in a loop, with our classes and with those that they replace. */
class RestartsIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @ParameterizedTest
  @EnumSource
  void everyRowPassesOnceThroughRestarts(RestartLoop.Writer writer) throws Exception {
    assertThat(loop(getClass().getClassLoader(), Connector.OURS, writer, 5))
        .containsEntry("restarts", 5L)
        .containsEntry("missing", 0L)
        .containsEntry("misplaced", 0L);
  }

  @ParameterizedTest
  @EnumSource
  void theStockConnectorLosesRowsInARestart(RestartLoop.Writer writer) throws Exception {
    // Stays open: the cluster's threads load classes until after the job's end.
    ClassLoader stock = new StockLocatorLoader();
    Map<String, Long> counts = loop(stock, Connector.STOCK, writer, 30);
    assertThat(counts.get("missing")).isPositive();
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Long> loop(
      ClassLoader loader, Connector connector, RestartLoop.Writer writer, int restarts)
      throws Exception {
    SourceDatabase database = database(writer);
    PostgresSourceSettings settings = database.settings();
    Thread thread = Thread.currentThread();
    ClassLoader before = thread.getContextClassLoader();
    thread.setContextClassLoader(loader);
    try {
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
                      restarts))
          .call();
    } finally {
      thread.setContextClassLoader(before);
    }
  }

  private static SourceDatabase database(RestartLoop.Writer writer) throws SQLException {
    SourceDatabase database =
        SourceDatabase.create(PLATFORM, "restarts_" + writer.name().toLowerCase(Locale.ROOT));
    database.fill(1);
    return database;
  }
}
