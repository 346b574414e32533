package io.experimentetl.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.local.demo.Backlog;
import io.experimentetl.local.demo.Pause;
import io.experimentetl.operations.OperationsException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;

/** ClickHouse's MaterializedPostgreSQL, on a copy of events without partitions. */
final class MaterializedPeer implements AutoCloseable {
  static final String NAME = "MaterializedPostgreSQL";
  static final String TABLE = "bench_events";
  private static final String DATABASE = "bench_materialized";
  private static final Duration START = Duration.ofSeconds(60);

  private final Backlog backlog;
  private final ClickHouseEndpoint clickHouse;

  MaterializedPeer(PostgresEndpoint database, Backlog backlog, ClickHouseEndpoint clickHouse) {
    this.backlog = backlog;
    this.clickHouse = clickHouse.withDatabase("default");
    backlog.prepareCopy(TABLE);
    this.clickHouse.query("DROP DATABASE IF EXISTS " + DATABASE);
    experimental(
        """
        CREATE DATABASE %s ENGINE = MaterializedPostgreSQL('%s:%d', '%s', '%s', '%s')
        SETTINGS materialized_postgresql_tables_list = '%s'
        """
            .formatted(
                DATABASE,
                database.host(),
                database.port(),
                database.database(),
                database.user(),
                database.password(),
                TABLE));
    // It starts in the background, after its own snapshot.
    long end = System.nanoTime() + START.toNanos();
    long written = 0;
    while (seen() == 0) {
      if (System.nanoTime() > end) {
        throw new PlatformException("MaterializedPostgreSQL shows no row after " + START);
      }
      backlog.commit(TABLE, 1);
      written++;
      Pause.of(Duration.ofMillis(500));
    }
    while (seen() < written) {
      Pause.of(Duration.ofMillis(200));
    }
  }

  /** The request itself must allow the experimental engine. */
  private void experimental(String sql) {
    HttpRequest request =
        HttpRequest.newBuilder(
                URI.create(
                    clickHouse.url() + "/?allow_experimental_database_materialized_postgresql=1"))
            .header("X-ClickHouse-User", clickHouse.user())
            .header("X-ClickHouse-Key", clickHouse.password())
            .POST(HttpRequest.BodyPublishers.ofString(sql))
            .build();
    try {
      HttpResponse<String> response =
          HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString(UTF_8));
      if (response.statusCode() != 200) {
        throw new PlatformException(
            "ClickHouse "
                + clickHouse
                + " has no MaterializedPostgreSQL: "
                + response.body().strip());
      }
    } catch (IOException e) {
      throw new PlatformException("ClickHouse " + clickHouse + " does not answer: " + e, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted while asking ClickHouse", e);
    }
  }

  /** The rows that readers see. */
  long seen() {
    try {
      return clickHouse.count("SELECT count() FROM " + DATABASE + "." + TABLE);
    } catch (OperationsException e) {
      // The table appears when the snapshot is complete.
      return 0;
    }
  }

  Measured measure(int count, Map<String, Long> servers) {
    long before = seen();
    return Measured.measure(
        NAME, count, servers, () -> backlog.commit(TABLE, count), () -> seen() >= before + count);
  }

  @Override
  public void close() {
    clickHouse.query("DROP DATABASE IF EXISTS " + DATABASE);
  }
}
