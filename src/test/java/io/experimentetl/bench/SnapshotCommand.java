package io.experimentetl.bench;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.Place;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PlatformOptions;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.local.demo.Backlog;
import io.experimentetl.local.demo.DemoFolder;
import io.experimentetl.local.demo.RunningJob;
import io.experimentetl.operations.FreshStart;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.function.BooleanSupplier;
import org.postgresql.PGConnection;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code ./etl bench snapshot}: how long a start takes that reads everything. */
@Command(
    name = "snapshot",
    mixinStandardHelpOptions = true,
    description = {
      "Measures a start without state on a full events table, from its submission to the first visible row and to the end of the snapshot.",
      "Compares it with ClickHouse's INSERT SELECT FROM postgresql() and with COPY, in alternation. Prints medians with the lowest and highest value as JSON."
    })
public final class SnapshotCommand implements Callable<Integer> {
  private static final String COPY = "bench_copy";
  private static final Waiting WAITING = new Waiting(Duration.ofMillis(50), Duration.ofMinutes(15));

  private final Place place = new Place();

  @Spec private CommandSpec spec;

  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description =
          "an empty folder for data and logs (default: target/bench-snapshot, emptied first)")
  private Path directory;

  @Option(
      names = "--rows",
      paramLabel = "N",
      defaultValue = "3000000",
      description = "events in PostgreSQL (default: ${DEFAULT-VALUE})")
  private int rows;

  private final Rounds figures = new Rounds();

  @Override
  public Integer call() throws Exception {
    Path folder = DemoFolder.empty(directory, place.home(), "bench-snapshot");
    try (Platform platform =
        Platform.start(folder, place.home(), PlatformOptions.defaults().withoutKafka())) {
      PlatformAddresses addresses = platform.addresses();
      Backlog backlog = new Backlog(addresses.postgres());
      backlog.prepare();
      backlog.commit("events", rows);
      for (int round = 0; round < SizeFigures.ROUNDS; round++) {
        start(addresses);
        add("INSERT SELECT FROM postgresql()", insertSelect(addresses));
        add("COPY TO STDOUT (FORMAT binary)", copy(addresses.postgres()));
      }
    }
    SizeFigures.print(figures.spreads(), spec.commandLine().getOut());
    return 0;
  }

  private void add(String reader, double seconds) {
    figures.add(reader + ", rows per second", rows / seconds);
  }

  private void start(PlatformAddresses addresses) {
    new FreshStart(addresses.deployment(place.jobJar())).prepare(line -> {});
    long begin = System.nanoTime();
    RunningJob job = RunningJob.submit(addresses, place.jobJar());
    double first = secondsUntil(begin, () -> job.warehouse().visibleEvents() > 0);
    double last = secondsUntil(begin, () -> !job.warehouse().isInSnapshot());
    if (job.warehouse().visibleEvents() != rows) {
      throw new PlatformException(
          "the snapshot has %,d of %,d events".formatted(job.warehouse().visibleEvents(), rows));
    }
    job.cancel();
    figures.add("experiment-etl, seconds to the first row", first);
    add("experiment-etl", last - first);
  }

  private static double secondsUntil(long begin, BooleanSupplier isReached) {
    return WAITING.secondsUntil(begin, isReached, () -> "the snapshot is not visible");
  }

  /** All columns, into a table in the order of their ids. */
  private static double insertSelect(PlatformAddresses addresses) {
    PostgresEndpoint postgres = addresses.postgres();
    ClickHouseEndpoint clickHouse = addresses.clickHouse();
    String source =
        "postgresql('%s:%d', '%s', 'events', '%s', '%s')"
            .formatted(
                postgres.host(),
                postgres.port(),
                postgres.database(),
                postgres.user(),
                postgres.password());
    clickHouse.query("DROP TABLE IF EXISTS " + COPY);
    clickHouse.query(
        "CREATE TABLE %s ENGINE = MergeTree ORDER BY id EMPTY AS SELECT * FROM %s"
            .formatted(COPY, source));
    long begin = System.nanoTime();
    clickHouse.query("INSERT INTO %s SELECT * FROM %s".formatted(COPY, source));
    double seconds = (System.nanoTime() - begin) / 1e9;
    clickHouse.query("DROP TABLE " + COPY);
    return seconds;
  }

  /** PostgreSQL alone: nobody keeps what it sends. */
  private static double copy(PostgresEndpoint postgres) {
    long begin = System.nanoTime();
    try (Connection connection = postgres.connect()) {
      connection
          .unwrap(PGConnection.class)
          .getCopyAPI()
          .copyOut(
              "COPY (SELECT * FROM events) TO STDOUT (FORMAT binary)",
              OutputStream.nullOutputStream());
    } catch (SQLException | IOException e) {
      throw new PlatformException(
          "PostgreSQL " + postgres + " sends no rows: " + e.getMessage(), e);
    }
    return (System.nanoTime() - begin) / 1e9;
  }
}
