package io.experimentetl.cdc;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes the source's row of {@code etl_heartbeat} at an interval, in a thread and a session of its
 * own. The reader never waits for it: a session that holds the row's lock delays the heartbeat
 * alone, which is given up after {@link #LOCK_TIMEOUT_MILLIS} and tried again at the next interval.
 */
final class SourceHeartbeat implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(SourceHeartbeat.class);

  private static final int LOCK_TIMEOUT_MILLIS = 1_000;

  private final PostgresSourceSettings settings;
  private final ScheduledThreadPoolExecutor thread;
  private final AtomicLong failures = new AtomicLong();
  private ScheduledFuture<?> beats;
  private Connection connection;
  private boolean failing;

  SourceHeartbeat(PostgresSourceSettings settings) {
    this.settings = settings;
    thread = DaemonTimer.named("source-heartbeat");
    thread.setRemoveOnCancelPolicy(true);
    thread.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  void start() {
    long interval = settings.heartbeatInterval().toMillis();
    beats = thread.scheduleWithFixedDelay(this::beat, 0, interval, TimeUnit.MILLISECONDS);
  }

  /** Writes the row soon, besides the interval. */
  void beatNow() {
    thread.execute(this::beat);
  }

  /** The number of heartbeats that could not be written. */
  long failures() {
    return failures.get();
  }

  private void beat() {
    try {
      if (connection == null) {
        connection = SourceServer.connect(settings);
        try (Statement statement = connection.createStatement()) {
          statement.execute("SET lock_timeout = " + LOCK_TIMEOUT_MILLIS);
        }
      }
      SourceServer.beat(connection, settings);
      failing = false;
    } catch (SQLException | RuntimeException e) {
      failures.incrementAndGet();
      if (!failing) {
        LOG.warn(
            "The heartbeat could not be written to etl_heartbeat in {}; it is tried again every {}. The stream goes on.",
            settings.place(),
            settings.heartbeatInterval(),
            e);
      }
      failing = true;
      disconnect();
    }
  }

  private void disconnect() {
    if (connection != null) {
      try {
        connection.close();
      } catch (SQLException e) {
        LOG.debug("The session of the heartbeat could not be closed; the server will close it.", e);
      }
      connection = null;
    }
  }

  /** Does not wait for a heartbeat that is being written. */
  @Override
  public void close() {
    thread.execute(this::disconnect);
    if (beats != null) {
      beats.cancel(false);
    }
    thread.shutdown();
  }
}
