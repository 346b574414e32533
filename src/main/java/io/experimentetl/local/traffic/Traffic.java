package io.experimentetl.local.traffic;

import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PostgresEndpoint;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;

/** Traffic being written into PostgreSQL, by one connection per lane. */
public final class Traffic implements AutoCloseable {
  private final ExecutorService threads;
  private final List<Future<?>> lanes = new ArrayList<>();
  private final Map<Write.Kind, LongAdder> written = new EnumMap<>(Write.Kind.class);
  private volatile boolean stopped;
  private volatile long allowed = Long.MAX_VALUE;

  private Traffic(int lanes) {
    for (Write.Kind kind : Write.Kind.values()) {
      written.put(kind, new LongAdder());
    }
    threads =
        Executors.newFixedThreadPool(
            lanes,
            task -> {
              Thread thread = new Thread(task, "traffic");
              thread.setDaemon(true);
              return thread;
            });
  }

  /**
   * Starts to write a plan's traffic, after its experiments, variants and partitions.
   *
   * @param database with the tables of {@code sql/postgres}
   */
  public static Traffic start(PostgresEndpoint database, TrafficPlan plan) {
    return start(database, plan.load(InstantSource.system()));
  }

  /** Starts to replay a set over this many connections. */
  public static Traffic replay(PostgresEndpoint database, ReplayedSet data, int connections) {
    return start(database, data.load(connections));
  }

  private static Traffic start(PostgresEndpoint database, Load load) {
    createPartitions(database, load.from(), load.until());
    Traffic traffic = new Traffic(load.lanes().size());
    try (TransactionWriter writer = new TransactionWriter(database)) {
      traffic.write(writer, load.before());
    } catch (SQLException e) {
      traffic.close();
      throw refused(database, e);
    }
    for (Lane lane : load.lanes()) {
      traffic.lanes.add(
          traffic.threads.submit(
              () -> {
                traffic.run(database, lane, load.eventsPerSecond() / load.lanes().size());
                return null;
              }));
    }
    traffic.threads.shutdown();
    return traffic;
  }

  /** Makes the monthly partitions of a time span; those that exist stay. */
  private static void createPartitions(PostgresEndpoint database, Instant from, Instant until) {
    try (var connection = database.connect();
        var statement =
            connection.prepareStatement(
                "SELECT create_events_partition(month::date) FROM generate_series("
                    + "date_trunc('month', ?::timestamptz AT TIME ZONE 'UTC'),"
                    + " ?::timestamptz AT TIME ZONE 'UTC', interval '1 month') month")) {
      statement.setString(1, from.toString());
      statement.setString(2, until.toString());
      statement.execute();
    } catch (SQLException e) {
      throw refused(database, e);
    }
  }

  private void run(PostgresEndpoint database, Lane lane, double eventsPerSecond)
      throws SQLException {
    double nanosPerEvent = 1e9 / eventsPerSecond;
    long begin = System.nanoTime();
    long events = 0;
    try (TransactionWriter writer = new TransactionWriter(database)) {
      while (!stopped) {
        List<Write> writes = lane.next();
        if (writes.isEmpty()) {
          return;
        }
        write(writer, writes);
        events += writes.stream().filter(w -> w.kind() == Write.Kind.INSERT_EVENT).count();
        long due = begin + Math.round(events * nanosPerEvent);
        while (!stopped && (System.nanoTime() - due < 0 || events() >= allowed)) {
          LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
        }
      }
    }
  }

  private void write(TransactionWriter writer, List<Write> writes) throws SQLException {
    writer.write(writes);
    for (Write write : writes) {
      written.get(write.kind()).increment();
    }
  }

  /**
   * Statements committed up to now, by kind; a statement may have touched no row, or by cascade
   * many.
   */
  public Map<Write.Kind, Long> written() {
    Map<Write.Kind, Long> counts = new EnumMap<>(Write.Kind.class);
    written.forEach((kind, count) -> counts.put(kind, count.sum()));
    return counts;
  }

  /**
   * Lets the lanes write this many event rows, plus one transaction each, before they pause. A
   * later call with a greater number lets them continue.
   */
  public void allow(long events) {
    allowed = events;
  }

  /** Event rows inserted up to now. */
  public long events() {
    return written.get(Write.Kind.INSERT_EVENT).sum();
  }

  public boolean isRunning() {
    return lanes.stream().anyMatch(lane -> !lane.isDone());
  }

  /**
   * Waits for a bounded plan's last commit.
   *
   * @throws PlatformException with PostgreSQL's message when it refused a row
   */
  public void await() {
    try {
      for (Future<?> lane : lanes) {
        lane.get();
      }
    } catch (ExecutionException e) {
      close();
      throw new PlatformException(
          "the traffic broke off: " + e.getCause().getMessage(), e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted while writing traffic", e);
    }
  }

  /** Ends after the transactions that are being written. */
  @Override
  public void close() {
    stopped = true;
    threads.shutdown();
    try {
      threads.awaitTermination(30, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static PlatformException refused(PostgresEndpoint database, SQLException e) {
    return new PlatformException(
        "PostgreSQL "
            + database
            + " refused the traffic: "
            + e.getMessage()
            + " Apply sql/postgres first.",
        e);
  }
}
