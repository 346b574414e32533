package io.experimentetl.clickhouse;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.ClickHouseServer;
import io.experimentetl.local.demo.Pause;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.TestEvent;
import io.experimentetl.warehouse.EventEncoder;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;

/**
 * Measures rows per second of the sink alone, for rows of {@code events_processed}: one thread
 * encodes and compresses them, then they are sent to a real server. Run it with the test class
 * path. The arguments are optional: the number of rows (1,000,000), the rows of a batch (100,000),
 * the number of months in which the events occurred (1), and a setting of the table, for instance
 * {@code "fsync_after_insert = 1"}.
 */
final class SinkBench {

  /** The events of the last month; those of further ones are in the months before. */
  private static final LocalDate LAST_MONTH = LocalDate.of(2026, 9, 1);

  private SinkBench() {}

  public static void main(String[] arguments) throws Exception {
    int rows = arguments.length == 0 ? 1_000_000 : Integer.parseInt(arguments[0]);
    BatchLimits limits =
        arguments.length < 2
            ? BatchLimits.DEFAULT
            : BatchLimits.DEFAULT.withRows(Integer.parseInt(arguments[1]));
    Path directory = Path.of("target", "sink-bench", "" + ProcessHandle.current().pid());
    int months = arguments.length < 3 ? 1 : Integer.parseInt(arguments[2]);
    EventProcessed[] events = new EventProcessed[Math.min(rows, 100_000)];
    for (int i = 0; i < events.length; i++) {
      events[i] = event(i, i % months);
    }
    seal(events, events.length, limits);
    try (ClickHouseServer server = ClickHouseServer.start(directory)) {
      ClickHouseEndpoint database = server.newDatabase("bench");
      String tables = Files.readString(Path.of("sql/clickhouse/001_tables.sql"));
      for (String table : new String[] {"events_processed", "etl_owners"}) {
        int from = tables.indexOf("CREATE TABLE IF NOT EXISTS " + table);
        database.query(tables.substring(from, tables.indexOf(";\n", from)));
      }
      if (arguments.length > 3) {
        database.query("ALTER TABLE events_processed MODIFY SETTING " + arguments[3]);
      }

      Clock encoding = new Clock(server);
      List<SealedBatch> batches = seal(events, rows, limits);
      encoding.print("encode and compress", rows);
      long raw = batches.stream().mapToLong(SealedBatch::rawBytes).sum();
      long compressed = batches.stream().mapToLong(batch -> batch.body().length).sum();
      System.out.printf(
          "%d batches, %.0f bytes a row, compressed %.0f%n",
          batches.size(), (double) raw / rows, (double) compressed / rows);

      Clock sending = new Clock(server);
      List<Committer.CommitRequest<Committable>> requests = new ArrayList<>();
      batches.forEach(batch -> requests.add(new OnlyCommit(batch)));
      try (ClickHouseCommitter committer =
          new ClickHouseCommitter(
              Reading.connectionTo(database),
              BatchLimits.DEFAULT,
              List.of("events_processed"),
              "bench",
              -1,
              Batches.ALL,
              new UnregisteredMetricsGroup())) {
        committer.commit(requests);
      }
      sending.print("commit", rows);
      while (!database.query("SELECT count() FROM system.merges").equals("0")) {
        Pause.of(Duration.ofMillis(100));
      }
      sending.print("commit, and the merges behind it", rows);
      System.out.println(
          database.query(
              "SELECT 'merges: ' || countIf(level > 0) || ', of rows: ' || sumIf(rows, level > 0) FROM system.parts WHERE table = 'events_processed'"));
      System.out.println(
          database.query("SELECT count() FROM events_processed") + " rows in the table");
    }
  }

  private static List<SealedBatch> seal(EventProcessed[] events, int rows, BatchLimits limits)
      throws IOException {
    BatchSealer<EventProcessed> sealer =
        new BatchSealer<>(
            new EventEncoder(),
            BatchSealer.Kind.ROWS,
            limits,
            new BatchIds(0),
            "",
            -1,
            System::currentTimeMillis,
            new SinkMemory(Long.MAX_VALUE));
    for (int i = 0; i < rows; i++) {
      sealer.add(later(events[i % events.length], i / events.length));
    }
    return sealer.sealAll();
  }

  /** Returns a different row: the same event some microseconds later. */
  private static EventProcessed later(EventProcessed processed, int micros) {
    EventRow event = processed.event();
    return new EventProcessed(
        TestEvent.copyOf(event).with("timestamp", event.occurredAt() + micros).row(),
        processed.experimentKey(),
        processed.experimentName(),
        processed.variantKey(),
        processed.variantName(),
        processed.assignedVariantId(),
        processed.assignedVariantKey(),
        processed.userProperties(),
        processed.dayEpoch(),
        processed.inconsistencies(),
        processed.version());
  }

  private static EventProcessed event(int i, int monthsBefore) {
    long month = LAST_MONTH.minusMonths(monthsBefore).atStartOfDay(ZoneOffset.UTC).toEpochSecond();
    EventRow row =
        TestEvent.of(
                EventId.of("e" + i),
                month * 1_000_000 + i * 777_777L,
                1 + i % 5,
                "user-" + i % 20_011,
                i % 10 == 0 ? "conversion" : "exposure")
            .with("variant_id", i % 7 == 0 ? null : (long) (1 + i % 2))
            .with("assignment_at", 1_789_000_000_000_000L + i)
            .with(
                "properties",
                "{\"url\": \"/checkout/"
                    + i % 311
                    + "\", \"revenue\": "
                    + i % 97
                    + ".5, \"ab\": true}")
            .with("session_id", "session-" + i % 50_021)
            .with("request_id", "request-" + Integer.toHexString(i * 0x9E3779B9))
            .row();
    return new EventProcessed(
        row,
        "checkout-button",
        "Checkout button colour",
        "treatment",
        "Green button",
        2L,
        "treatment",
        "{\"plan\": \"free\", \"country\": \"DE\", \"platform\": \"ios\"}",
        20_700,
        FindingCode.NO_CODES,
        new RowVersion(1_000_000L + i, 1_790_000_000_000_000L, (1_000_000L + i) * 1024, false, ""));
  }

  /** Measures wall time, and processor time of this process and of the server. */
  private static final class Clock {
    private final ClickHouseServer server;
    private final long wall = System.nanoTime();
    private final Duration own = own();
    private final Duration serverCpu;

    Clock(ClickHouseServer server) {
      this.server = server;
      this.serverCpu = of(server);
    }

    void print(String what, int rows) {
      double seconds = (System.nanoTime() - wall) / 1e9;
      System.out.printf(
          "%s: %.2f s, %.0f rows/s; processor seconds per million rows: sink %.2f, server %.2f%n",
          what,
          seconds,
          rows / seconds,
          own().minus(own).toMillis() / 1e3 * 1e6 / rows,
          of(server).minus(serverCpu).toMillis() / 1e3 * 1e6 / rows);
    }

    private static Duration own() {
      return Duration.ofNanos(
          ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
              .getProcessCpuTime());
    }

    private static Duration of(ClickHouseServer server) {
      return ProcessHandle.of(server.pid()).orElseThrow().info().totalCpuDuration().orElseThrow();
    }
  }
}
