package io.experimentetl.maintenance;

import io.experimentetl.config.RetentionConfig;
import io.experimentetl.maintenance.CleanupReport.Counting;
import io.experimentetl.maintenance.CleanupRequest.Part;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceTable;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.operations.PostgresLogin;
import io.experimentetl.postgres.AdvisoryLock;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Deletes what is older than its retention: in PostgreSQL in batches, each a transaction that says
 * so to the job, and never a row that ClickHouse may not have; in ClickHouse by the TTLs.
 */
public final class Cleanup {
  /** Pages of one transaction: about 2 MB, some ten thousand rows. */
  private static final int BATCH_PAGES = 256;

  private final PostgresLogin postgres;
  private final WarehouseRetention warehouse;
  private final RetentionConfig policies;
  private final SourceMapping mapping;
  private final Clock clock;

  /** Clean-ups of a deployment's databases. */
  public Cleanup(Databases databases, Clock clock) {
    this.postgres = databases.postgres();
    this.warehouse = WarehouseRetention.of(databases);
    this.policies = databases.config().retention();
    this.mapping = databases.config().source().tables();
    this.clock = clock;
  }

  /**
   * Runs one.
   *
   * @param budget no batch of PostgreSQL begins behind it
   * @throws OperationsException when another one runs
   */
  public CleanupReport run(CleanupRequest request, Duration budget) throws SQLException {
    long end = System.nanoTime() + budget.toNanos();
    List<CleanupReport.Table> tables = new ArrayList<>();
    boolean complete = true;
    try (Connection connection = postgres.connect()) {
      if (!AdvisoryLock.tryLock(connection, "cleanup")) {
        throw new OperationsException("another clean-up runs: wait until it has ended");
      }
      EventPolicy.write(connection, policies.postgres().events());
      for (Part part : List.of(Part.EVENTS, Part.ASSIGNMENTS, Part.OUTBOX)) {
        if (request.ages().containsKey(part) && areMapped(part)) {
          tables.add(notOurs(connection, request, part));
        } else if (request.ages().containsKey(part)) {
          complete &= deleteByAge(connection, request, part, end, tables);
        }
      }
      if (request.ages().containsKey(Part.EXPERIMENTS)) {
        tables.add(
            areMapped(Part.EXPERIMENTS, Part.ASSIGNMENTS, Part.EVENTS)
                ? notOurs(connection, request, Part.EXPERIMENTS)
                : deleteExperiments(connection, request));
      }
      if (request.ages().containsKey(Part.CLICKHOUSE)) {
        tables.addAll(warehouse.cleanUp(clock.instant(), request.dryRun()));
      }
    }
    return new CleanupReport(request.dryRun(), complete, tables);
  }

  /** Whether the configuration maps a table: 005_retention.sql knows only the default ones. */
  private boolean areMapped(Part... parts) {
    return Arrays.stream(parts)
        .flatMap(part -> mapping.of(SourceTable.ofTableName(part.text())).stream())
        .anyMatch(TableBinding::mapped);
  }

  private CleanupReport.Table notOurs(Connection connection, CleanupRequest request, Part part)
      throws SQLException {
    return new Counting()
        .table(
            "postgresql",
            part.text(),
            cutoff(connection, request, part).toString(),
            "no clean-up of mapped tables: delete old rows of %s in transactions that begin with SELECT retention_begin()"
                .formatted(mapping.nameOf(SourceTable.ofTableName(part.text()))));
  }

  private Instant cutoff(Connection connection, CleanupRequest request, Part part)
      throws SQLException {
    Duration age = request.ages().get(part);
    return part == Part.EVENTS
        ? EventPolicy.cutoff(
            clock.instant(),
            age,
            policies.postgres().events(),
            EventPolicy.configuredMonths(connection))
        : clock.instant().minus(age);
  }

  private boolean deleteByAge(
      Connection connection,
      CleanupRequest request,
      Part part,
      long end,
      List<CleanupReport.Table> tables)
      throws SQLException {
    Instant olderThan = cutoff(connection, request, part);
    Counting counting = new Counting();
    boolean complete = true;
    for (Map<String, Object> piece :
        SqlRows.query(
            connection,
            "SELECT part::text AS part, pages FROM retention_parts(?, ?)",
            part.text(),
            Timestamp.from(olderThan))) {
      long pages = ((Number) piece.get("pages")).longValue();
      for (long first = 0; first < pages; first += BATCH_PAGES) {
        if (System.nanoTime() > end) {
          complete = false;
          break;
        }
        count(
            counting,
            SqlRows.query(
                connection,
                "SELECT day::text AS day, row_count, refused_count FROM retention_delete_pages(?, ?::regclass, ?, ?, ?, ?)",
                part.text(),
                piece.get("part"),
                first,
                BATCH_PAGES,
                Timestamp.from(olderThan),
                request.dryRun()));
      }
    }
    tables.add(
        counting.table(
            "postgresql",
            part.text(),
            olderThan.toString(),
            complete ? null : "the time was over: run it again"));
    return complete;
  }

  private CleanupReport.Table deleteExperiments(Connection connection, CleanupRequest request)
      throws SQLException {
    Instant olderThan = cutoff(connection, request, Part.EXPERIMENTS);
    Counting counting = new Counting();
    count(
        counting,
        SqlRows.query(
            connection,
            "SELECT day::text AS day, row_count, refused_count FROM retention_delete_experiments(?, ?)",
            Timestamp.from(olderThan),
            request.dryRun()));
    return counting.table("postgresql", "experiments", olderThan.toString(), null);
  }

  private static void count(Counting counting, List<Map<String, Object>> days) {
    for (Map<String, Object> day : days) {
      counting.add(
          String.valueOf(day.get("day")),
          ((Number) day.get("row_count")).longValue(),
          ((Number) day.get("refused_count")).longValue());
    }
  }
}
