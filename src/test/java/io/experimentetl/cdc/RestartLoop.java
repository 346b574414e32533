package io.experimentetl.cdc;

import static org.awaitility.Awaitility.await;

import io.experimentetl.model.Change;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceTable;
import java.io.StringReader;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.LongStream;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.postgresql.PGConnection;

/** Fails the job repeatedly under a writer, until a row is missing. It starts its own cluster. */
final class RestartLoop {

  /** The rows to write, and the row at which the job fails. */
  enum Writer {
    /** Single rows; fails at the first one after the job stored the end of the commit before it. */
    SERIAL(12) {
      @Override
      long write(Connection connection, long row) throws Exception {
        try (PreparedStatement insert =
            connection.prepareStatement(
                "INSERT INTO events (timestamp, experiment_id, user_id, event_type, request_id) VALUES (now(), 1, 'u1', 'click', ?)")) {
          insert.setString(1, Long.toString(row));
          return insert.executeUpdate();
        }
      }
    },

    /** Many rows of a page share an LSN; fails among them. */
    COPY(3) {
      @Override
      long write(Connection connection, long row) throws Exception {
        StringBuilder rows = new StringBuilder();
        for (long i = row; i < row + 1000; i++) {
          rows.append(UUID.randomUUID())
              .append(",2026-11-20 12:00:00Z,1,u1,click,")
              .append(i)
              .append('\n');
        }
        return connection
            .unwrap(PGConnection.class)
            .getCopyAPI()
            .copyIn(
                "COPY events (id, timestamp, experiment_id, user_id, event_type, request_id) FROM STDIN (FORMAT csv)",
                new StringReader(rows.toString()));
      }
    };

    private final int transactions;

    Writer(int transactions) {
      this.transactions = transactions;
    }

    /** Writes rows, beginning with the given number, in one transaction; returns their count. */
    abstract long write(Connection connection, long row) throws Exception;
  }

  private final SourceDatabase database;
  private final Connector connector;
  private final Writer writer;
  private final int restarts;
  private final int jobPort;
  private final Runnable strike;
  private final Ledger.View view;
  private long rows;

  /**
   * @param restarts maximum number of restarts
   * @param jobPort the server's port for the job
   * @param strike the fault of the job or the server; null: the job fails
   */
  RestartLoop(
      SourceDatabase database,
      Connector connector,
      Writer writer,
      int restarts,
      int jobPort,
      Runnable strike) {
    this.database = database;
    this.connector = connector;
    this.writer = writer;
    this.restarts = restarts;
    this.jobPort = jobPort;
    this.strike = strike;
    this.view = Ledger.view(database.slot());
  }

  /** Counts restarts, written rows, missing rows, and repeated or reordered rows. */
  Map<String, Long> run() throws Exception {
    StreamExecutionEnvironment environment = Connector.environment(Duration.ofMillis(50));
    JobClient job =
        connector.start(
            environment,
            database.settings(jobPort, Duration.ofMillis(1), 100_000),
            database.slot());
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try {
      awaitStream();
      long restarted = 0;
      TreeSet<Long> missing = new TreeSet<>();
      while (restarted < restarts && missing.isEmpty()) {
        failWhileWriting(thread);
        restarted++;
        awaitStream();
        LongStream.range(0, rows).forEach(missing::add);
        missing.removeAll(arrived());
      }
      long misplaced = 0;
      long highest = -1;
      for (long row : arrived()) {
        misplaced += row > highest ? 0 : 1;
        highest = Math.max(highest, row);
      }
      // Not after a failure of the loop: cancelling an ended job fails and would hide the reason.
      job.cancel().get();
      return Map.of(
          "restarts", restarted,
          "rows", rows,
          "missing", (long) missing.size(),
          "misplaced", misplaced);
    } finally {
      thread.shutdownNow();
    }
  }

  private void failWhileWriting(ExecutorService thread) throws Exception {
    int starts = view.starts.get();
    if (writer == Writer.SERIAL) {
      // The last but one is complete and contains the heartbeat after the last commit.
      int checkpoints = view.checkpoints.get() + 3;
      await().atMost(Duration.ofSeconds(60)).until(() -> view.checkpoints.get() >= checkpoints);
      strike();
    }
    int seen = view.changes.size();
    Future<Long> writing =
        thread.submit(
            () -> {
              long written = 0;
              try (Connection connection = database.connect()) {
                for (int i = 0; i < writer.transactions; i++) {
                  written += writer.write(connection, rows + written);
                }
              }
              return written;
            });
    if (writer == Writer.COPY) {
      await().atMost(Duration.ofSeconds(60)).until(() -> view.changes.size() > seen);
      strike();
    }
    rows += writing.get();
    // Any progress of the reader so far leaves a row to fail at.
    try (Connection connection = database.connect()) {
      SourceServer.beat(connection, database.settings());
    }
    await().atMost(Duration.ofSeconds(60)).until(() -> view.starts.get() > starts);
  }

  private void strike() {
    if (strike == null) {
      view.failNow.set(true);
    } else {
      strike.run();
    }
  }

  /** The stream has passed everything written so far. */
  private void awaitStream() throws Exception {
    long end = database.number("SELECT (pg_current_wal_lsn() - '0/0')::bigint");
    try (Connection connection = database.connect()) {
      await()
          .atMost(Duration.ofSeconds(60))
          .until(
              () -> {
                // The stock connector ends a chunk only when something else is written.
                SourceServer.beat(connection, database.settings());
                return view.changes.stream().anyMatch(change -> isBeatBehind(end, change));
              });
    }
  }

  private static boolean isBeatBehind(long lsn, Change change) {
    return change.table() == SourceTable.ETL_HEARTBEAT && change.position().lsn() > lsn;
  }

  private List<Long> arrived() {
    return view.changes.stream()
        .filter(change -> change.after() instanceof EventRow)
        .map(change -> Long.valueOf(((EventRow) change.after()).requestId()))
        .toList();
  }
}
