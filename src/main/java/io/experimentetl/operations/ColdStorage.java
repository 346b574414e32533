package io.experimentetl.operations;

import io.experimentetl.archive.Archive;
import io.experimentetl.archive.ArchiveErasure;
import io.experimentetl.archive.ArchiveStore;
import io.experimentetl.archive.ArchivedTable;
import io.experimentetl.archive.Manifest;
import io.experimentetl.archive.MonthArchiver;
import io.experimentetl.archive.MonthArchiver.Due;
import io.experimentetl.archive.MonthArchiver.Moved;
import io.experimentetl.archive.MonthRestorer;
import io.experimentetl.clickhouse.ClickHouseFiles;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.RetentionConfig;
import io.experimentetl.postgres.AdvisoryLock;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.YearMonth;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** The archive of a deployment. One process at a time changes it. */
public final class ColdStorage {
  /** One file, or the removal of a month. */
  private static final Duration TIMEOUT = Duration.ofHours(1);

  private final Databases databases;
  private final JobConfig config;
  private final Clock clock;

  /** The archive that the configuration names. Connects to nothing yet. */
  public ColdStorage(Databases databases, Clock clock) {
    this.databases = databases;
    this.config = databases.config();
    this.clock = clock;
  }

  /** Whether there is one. */
  public boolean isOn() {
    return config.archive().isOn();
  }

  /** A step on the archive. */
  @FunctionalInterface
  private interface Work<T> {
    T on(Archive archive, ClickHouseFiles clickHouse) throws IOException, InterruptedException;
  }

  private <T> T work(Work<T> work) {
    try (Archive archive = new Archive(ArchiveStore.open(config.archive()));
        ClickHouseFiles clickHouse =
            new ClickHouseFiles(databases.clickHouse().connection(), TIMEOUT)) {
      archive.store().check();
      return work.on(archive, clickHouse);
    } catch (IOException | IllegalStateException e) {
      throw new OperationsException(e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new OperationsException("interrupted", e);
    }
  }

  private <T> T alone(Work<T> work) {
    try (Hold hold = hold()) {
      return work(work);
    }
  }

  /** Keeps other processes from changing the archive until it is closed. */
  static final class Hold implements AutoCloseable {
    private final Connection connection;

    private Hold(Connection connection) {
      this.connection = connection;
    }

    @Override
    public void close() {
      if (connection != null) {
        try {
          connection.close();
        } catch (SQLException e) {
          throw new OperationsException(
              "the lock of the archive can't be given back: " + e.getMessage(), e);
        }
      }
    }
  }

  private Hold hold() {
    Hold hold = null;
    try {
      Connection connection = databases.postgres().connect();
      hold = new Hold(connection);
      if (!AdvisoryLock.tryLock(connection, "archive")) {
        hold.close();
        throw new OperationsException(
            "another process changes the archive: wait until it has ended");
      }
      return hold;
    } catch (SQLException e) {
      if (hold != null) {
        hold.close();
      }
      throw new OperationsException(
          "PostgreSQL %s, which locks the archive, refuses: %s"
              .formatted(databases.postgres(), e.getMessage()),
          e);
    }
  }

  /** What is archived. */
  public List<Manifest> list() {
    return work((archive, clickHouse) -> archive.manifests());
  }

  /** The months that would be moved. */
  public List<Due> due() {
    return work((archive, clickHouse) -> due(new MonthArchiver(archive, clickHouse, clock)));
  }

  private List<Due> due(MonthArchiver archiver) throws IOException, InterruptedException {
    RetentionConfig.Warehouse policies = config.retention().clickhouse();
    List<Due> due = new ArrayList<>();
    for (ArchivedTable table : ArchivedTable.values()) {
      Duration age =
          switch (table) {
            case EVENTS -> policies.events();
            case ASSIGNMENTS -> policies.assignments();
          };
      due.addAll(archiver.due(table, clock.instant().minus(age)));
    }
    return due;
  }

  /**
   * Moves what is due and does not wait. A month that fails keeps the later ones from being moved.
   * No TTL may remove the rows meanwhile.
   *
   * @param each receives a line for each month when it is done, and for those that wait
   */
  public List<Moved> archive(Consumer<String> each) {
    return alone(
        (archive, clickHouse) -> {
          MonthArchiver archiver = new MonthArchiver(archive, clickHouse, clock);
          List<Moved> moved = new ArrayList<>();
          for (Due due : due(archiver)) {
            if (due.waits()) {
              each.accept(print(due));
              continue;
            }
            Moved month = archiver.archive(due);
            moved.add(month);
            each.accept("moved  " + print(month.manifest()));
          }
          return moved;
        });
  }

  /**
   * Restores a month of both tables.
   *
   * @throws OperationsException also if it is not archived
   */
  public void restore(YearMonth month, Consumer<String> each) {
    alone(
        (archive, clickHouse) -> {
          List<Manifest> manifests =
              archive.manifests().stream()
                  .filter(manifest -> manifest.yearMonth().equals(month))
                  .toList();
          if (manifests.isEmpty()) {
            throw new OperationsException(
                "%s is not archived in %s: see archive --list".formatted(month, archive.store()));
          }
          MonthRestorer restorer = new MonthRestorer(archive, clickHouse);
          for (Manifest manifest : manifests) {
            each.accept(
                "%s of %s is in %s: %,d rows"
                    .formatted(
                        month,
                        manifest.table(),
                        manifest.archivedTable().restoredTable(),
                        restorer.restore(manifest)));
          }
          return null;
        });
  }

  /**
   * Copies archived months back into the tables that they left, for a count over old rows. Does
   * nothing where there is no archive.
   *
   * @param first the first month; null: all of them
   * @return to be closed when the rows were counted: until then no run of the archive moves them
   *     out again
   */
  Hold recall(YearMonth first, Consumer<String> log) {
    if (!isOn()) {
      return new Hold(null);
    }
    Hold hold = hold();
    try {
      recallAll(first, log);
      return hold;
    } catch (RuntimeException e) {
      hold.close();
      throw e;
    }
  }

  private void recallAll(YearMonth first, Consumer<String> log) {
    work(
        (archive, clickHouse) -> {
          MonthRestorer restorer = new MonthRestorer(archive, clickHouse);
          for (Manifest manifest : archive.manifests()) {
            if (first == null || !manifest.yearMonth().isBefore(first)) {
              restorer.recall(manifest);
              log.accept(
                  "%s of %s is back from the archive: %,d rows"
                      .formatted(manifest.month(), manifest.table(), manifest.rows()));
            }
          }
          return null;
        });
  }

  /**
   * Takes erased users out of the archive. This must be done before the warehouse forgets who was
   * erased.
   *
   * @return the manifests that changed
   */
  public List<Manifest> forget() {
    return alone((archive, clickHouse) -> new ArchiveErasure(archive, clickHouse, clock).run());
  }

  /** One line. */
  public static String print(Due due) {
    return "%s  %-22s %,d row versions%s"
        .formatted(
            due.month(),
            due.table().warehouseTable(),
            due.rows(),
            due.waits() ? "; it waits: some are not a day old" : "");
  }

  /** One line. */
  public static String print(Manifest manifest) {
    return "%s  %-22s %,d rows, %,d files, %,d bytes, up to LSN %s%s"
        .formatted(
            manifest.month(),
            manifest.table(),
            manifest.rows(),
            manifest.files().size(),
            manifest.files().stream().mapToLong(Manifest.File::bytes).sum(),
            manifest.lsn(),
            manifest.erasures().isEmpty()
                ? ""
                : ", users erased %d times".formatted(manifest.erasures().size()));
  }
}
