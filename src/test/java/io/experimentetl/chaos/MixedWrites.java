package io.experimentetl.chaos;

import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.local.demo.Pause;
import java.io.IOException;
import java.io.StringReader;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Phaser;
import java.util.concurrent.atomic.AtomicLong;
import org.postgresql.PGConnection;

/**
 * Writes to a platform's tables during all faults: inserts, updates, deletes, erasures, COPY, long
 * transactions, and {@link RareWrites}. It counts statements that PostgreSQL refuses (their user
 * was erased meanwhile) or whose connection broke, and does not repeat them. The final content of
 * PostgreSQL is the reference.
 */
final class MixedWrites implements AutoCloseable {
  private static final int WRITERS = 3;
  private static final int USERS = 1_000;
  private static final int EXPERIMENTS = 6;
  private static final String CONNECTION_BROKE = "08";
  private static final String SERVER_STOPS = "57P";

  private final PostgresEndpoint database;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final List<Future<?>> running = new ArrayList<>();
  private final AtomicLong committed = new AtomicLong();
  private final AtomicLong refused = new AtomicLong();
  private final AtomicLong broken = new AtomicLong();
  private final Phaser writing = new Phaser(1);
  private volatile boolean paused;
  private volatile boolean stopped;

  private MixedWrites(PostgresEndpoint database) {
    this.database = database;
  }

  /** Fills the tables, and starts the writers. */
  static MixedWrites start(PostgresEndpoint database, long seed) {
    MixedWrites writes = new MixedWrites(database);
    writes.fill();
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < WRITERS; i++) {
      SplittableRandom own = random.split();
      int writer = i;
      writes.begin(() -> writes.write(writer, own));
    }
    SplittableRandom own = random.split();
    writes.begin(() -> writes.writeLong(own));
    return writes;
  }

  private void begin(Callable<Void> writer) {
    writing.register();
    running.add(
        threads.submit(
            () -> {
              try {
                return writer.call();
              } finally {
                writing.arriveAndDeregister();
              }
            }));
  }

  /** Waits until every writer has ended its transaction; no writer begins another. */
  void pauseWriting() {
    paused = true;
    writing.arriveAndAwaitAdvance();
  }

  /** Continues after {@link #pauseWriting}. */
  void resumeWriting() {
    paused = false;
    writing.arriveAndAwaitAdvance();
  }

  private void waitWhilePaused() {
    if (paused) {
      writing.arriveAndAwaitAdvance();
      writing.arriveAndAwaitAdvance();
    }
  }

  /** The number of committed transactions. */
  long committed() {
    return committed.get();
  }

  /** The number of transactions that PostgreSQL refused. */
  long refused() {
    return refused.get();
  }

  /** The number of transactions whose connection broke. */
  long broken() {
    return broken.get();
  }

  /**
   * Checks that all writers are running.
   *
   * @throws PlatformException when a writer failed for another reason than a fault
   */
  void requireWriting() {
    for (Future<?> writer : running) {
      if (writer.isDone()) {
        await(writer);
      }
    }
  }

  private static void await(Future<?> writer) {
    try {
      writer.get();
    } catch (ExecutionException e) {
      throw new PlatformException("a writer failed: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted", e);
    }
  }

  private void fill() {
    String sql =
        """
        ALTER TABLE assignments DROP CONSTRAINT assignments_user_id_fkey,
          ADD FOREIGN KEY (user_id) REFERENCES users ON UPDATE CASCADE ON DELETE CASCADE;
        ALTER TABLE events DROP CONSTRAINT events_user_id_fkey;
        ALTER TABLE events ADD FOREIGN KEY (user_id) REFERENCES users ON UPDATE CASCADE ON DELETE CASCADE;
        SELECT create_events_partition((now() + days * interval '1 day')::date) FROM unnest(ARRAY [-60, -45, -30, -15, 0, 2]) days;
        INSERT INTO experiments (id, key, name, status, seed, starts_at, config)
        SELECT e, 'chaos_' || e, 'Chaos ' || e, 'ACTIVE', 's', now() - interval '9 days',
          CASE WHEN e %% 3 = 0 THEN '{"zone": "Asia/Kolkata"}'::jsonb END
        FROM generate_series(1, %1$d) AS e;
        INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
        SELECT e * 10 + v, e, 'v' || v, 'Variant ' || v, 50, v = 0
        FROM generate_series(1, %1$d) AS e, generate_series(0, 1) AS v;
        INSERT INTO users (user_id, email, properties)
        SELECT 'u' || u, 'u' || u || '@example.org', '{"country": "DE"}' FROM generate_series(1, %2$d) AS u;
        INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
        SELECT e, 'u' || u, e * 10 + (hashtext(u || '/' || e) & 1), 'hash', now() - interval '8 days'
        FROM generate_series(1, %1$d) AS e, generate_series(1, %2$d) AS u WHERE (u + e) %% 3 <> 0;
        INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
        SELECT gen_random_uuid(), now() - interval '7 days' + (u %% 1000 + n * 2000) * interval '1 minute', a.experiment_id, a.user_id,
          a.variant_id, CASE n WHEN 0 THEN 'exposure' WHEN 1 THEN 'conversion' ELSE 'purchase' END, '{"revenue": 12.5}'
        FROM (SELECT *, substr(user_id, 2)::int AS u FROM assignments) AS a, generate_series(0, 3) AS n;
        SELECT setval(pg_get_serial_sequence('assignments', 'id'), (SELECT max(id) FROM assignments));
        ANALYZE events; ANALYZE assignments; ANALYZE users;
        """
            .formatted(EXPERIMENTS, USERS);
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    } catch (SQLException e) {
      throw new PlatformException("cannot fill the tables: " + e.getMessage(), e);
    }
  }

  private Void write(int writer, SplittableRandom random) {
    long number = 0;
    while (!stopped) {
      try (Connection connection = database.connect()) {
        while (!stopped) {
          waitWhilePaused();
          number++;
          writeOne(connection, random, writer + "-" + number);
          Pause.of(Duration.ofMillis(random.nextInt(30, 200)));
        }
      } catch (SQLException e) {
        reconnectAfter(e);
      }
    }
    return null;
  }

  /** Runs transactions that stay open across other transactions and faults. */
  private Void writeLong(SplittableRandom random) {
    while (!stopped) {
      try (Connection connection = database.connect()) {
        connection.setAutoCommit(false);
        while (!stopped) {
          waitWhilePaused();
          String user = user(random);
          try (Statement statement = connection.createStatement()) {
            statement.execute(events(random, user, 5));
            pause(random.nextInt(500, 9_000));
            statement.execute(
                "UPDATE events SET properties = '{\"revenue\": 7.25}' WHERE user_id = '"
                    + user
                    + "' AND experiment_id = 2");
            statement.execute(events(random, user(random), 5));
            if (random.nextInt(5) == 0) {
              connection.rollback();
            } else {
              connection.commit();
              committed.incrementAndGet();
            }
          } catch (SQLException e) {
            throwIfBroken(e);
            connection.rollback();
          }
        }
      } catch (SQLException e) {
        reconnectAfter(e);
      }
    }
    return null;
  }

  private void pause(int millis) {
    for (int left = millis; left > 0 && !stopped && !paused; left -= 100) {
      Pause.of(Duration.ofMillis(100));
    }
  }

  private void reconnectAfter(SQLException e) {
    if (!isBroken(e)) {
      throw new PlatformException("PostgreSQL: " + e.getMessage(), e);
    }
    broken.incrementAndGet();
    Pause.of(Duration.ofMillis(200));
  }

  private static boolean isBroken(SQLException e) {
    String state = e.getSQLState();
    return state != null && (state.startsWith(CONNECTION_BROKE) || state.startsWith(SERVER_STOPS));
  }

  private void throwIfBroken(SQLException e) throws SQLException {
    if (isBroken(e)) {
      throw e;
    }
    refused.incrementAndGet();
  }

  private void writeOne(Connection connection, SplittableRandom random, String id)
      throws SQLException {
    String user = user(random);
    int experiment = random.nextInt(1, EXPERIMENTS + 1);
    try (Statement statement = connection.createStatement()) {
      String rare = RareWrites.of(random, user, experiment, EXPERIMENTS);
      int choice = random.nextInt(100);
      if (rare != null) {
        statement.execute(rare);
      } else if (choice < 45) {
        statement.execute(events(random, user, random.nextInt(1, 20)));
      } else if (choice < 61) {
        statement.execute(newUser(random, id));
      } else if (choice < 65) {
        copy(connection, random);
      } else if (choice < 97) {
        statement.execute(changeOfUser(random, choice, user, experiment));
      } else {
        statement.execute(changeOfExperiment(random, choice, id, experiment));
      }
      committed.incrementAndGet();
    } catch (SQLException e) {
      throwIfBroken(e);
      // A statement with its own BEGIN leaves its transaction open, refused.
      try (Statement rollback = connection.createStatement()) {
        rollback.execute("ROLLBACK");
      }
    }
  }

  private static String changeOfUser(
      SplittableRandom random, int choice, String user, int experiment) {
    String ofUser = "WHERE user_id = '" + user + "' AND experiment_id = " + experiment;
    if (choice < 72) {
      return "UPDATE events SET properties = '{\"revenue\": "
          + random.nextInt(100)
          + ".5}' "
          + ofUser;
    }
    if (choice < 77) {
      return "DELETE FROM events " + ofUser + " AND event_type = 'purchase'";
    }
    if (choice < 81) {
      return "DELETE FROM users WHERE user_id = '" + user + "'";
    }
    if (choice < 86) {
      return "UPDATE users SET properties = '{\"country\": \""
          + (char) ('A' + random.nextInt(26))
          + "\"}' WHERE user_id = '"
          + user
          + "'";
    }
    if (choice < 90) {
      return "UPDATE assignments SET updated_at = now(), variant_id = experiment_id * 10 + "
          + random.nextInt(2)
          + " "
          + ofUser;
    }
    if (choice < 94) {
      return "INSERT INTO events SELECT id, timestamp + interval '1 second', experiment_id, user_id, variant_id, event_type, assignment_at, properties, session_id, request_id FROM events "
          + ofUser
          + " LIMIT 1 ON CONFLICT DO NOTHING";
    }
    return "UPDATE events SET timestamp = timestamp - interval '90 minutes' "
        + ofUser
        + " AND event_type = 'conversion'";
  }

  private static String changeOfExperiment(
      SplittableRandom random, int choice, String id, int experiment) {
    if (choice < 99) {
      return "UPDATE experiments SET name = 'Chaos ' || id || ' "
          + id
          + "' WHERE id = "
          + experiment;
    }
    // An ended experiment may continue, and its events are then no longer flagged.
    String endsAt =
        random.nextBoolean() ? "now() - interval '" + random.nextInt(0, 48) + " hours'" : "NULL";
    return "UPDATE experiments SET ends_at = " + endsAt + " WHERE id = " + experiment;
  }

  private static String user(SplittableRandom random) {
    // Some users are busier than others.
    int bound = random.nextInt(4) == 0 ? 50 : USERS;
    return "u" + random.nextInt(1, bound + 1);
  }

  /** Some name missing experiments or variants, some another variant than the assigned one. */
  private static String events(SplittableRandom random, String user, int count) {
    List<String> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String[] event = event(random, user);
      rows.add("('%s', '%s', %s, '%s', %s, '%s', '%s')".formatted((Object[]) event));
    }
    return "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties) VALUES "
        + String.join(", ", rows);
  }

  private static String[] event(SplittableRandom random, String user) {
    int experiment = random.nextInt(50) == 0 ? 999 : random.nextInt(1, EXPERIMENTS + 1);
    long ageSeconds = random.nextInt(20) == 0 ? random.nextInt(500_000) : random.nextInt(8_000);
    String type =
        switch (random.nextInt(4)) {
          case 0, 1 -> "exposure";
          case 2 -> "conversion";
          default -> "purchase";
        };
    String variant =
        random.nextInt(30) == 0
            ? "77"
            : Integer.toString(experiment * 10 + Math.floorMod(user.hashCode() + experiment, 2));
    String revenue =
        random.nextInt(40) == 0
            ? "{\"revenue\": -1}"
            : "{\"revenue\": " + random.nextInt(1_000) + ".25}";
    return new String[] {
      new UUID(random.nextLong(), random.nextLong()).toString(),
      Instant.now().minusSeconds(ageSeconds).toString(),
      Integer.toString(experiment),
      user,
      variant,
      type,
      revenue
    };
  }

  private static String newUser(SplittableRandom random, String id) {
    String user = "n" + id + "-" + random.nextInt(1_000_000);
    return "BEGIN; INSERT INTO users (user_id, properties) VALUES ('%1$s', '{\"plan\": \"free\"}'); INSERT INTO assignments (experiment_id, user_id, variant_id, source) SELECT e, '%1$s', e * 10 + %2$d, CASE WHEN %3$d = 0 THEN 'override' ELSE 'hash' END FROM generate_series(1, %4$d) AS e; %5$s; COMMIT"
        .formatted(
            user, random.nextInt(2), random.nextInt(20), EXPERIMENTS, events(random, user, 6));
  }

  private static void copy(Connection connection, SplittableRandom random) throws SQLException {
    StringBuilder rows = new StringBuilder();
    String user = user(random);
    for (int i = random.nextInt(20, 200); i > 0; i--) {
      String[] event = event(random, user);
      event[6] = '"' + event[6].replace("\"", "\"\"") + '"';
      rows.append(String.join(",", event)).append('\n');
    }
    try {
      connection
          .unwrap(PGConnection.class)
          .getCopyAPI()
          .copyIn(
              "COPY events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties) FROM STDIN (FORMAT csv)",
              new StringReader(rows.toString()));
    } catch (IOException e) {
      throw new SQLException(e.toString(), CONNECTION_BROKE, e);
    }
  }

  /** Ends the writers; their open transactions are committed or rolled back. */
  @Override
  public void close() {
    stopped = true;
    if (paused) {
      // A failure while they were paused.
      resumeWriting();
    }
    threads.shutdown();
    running.forEach(MixedWrites::await);
  }
}
