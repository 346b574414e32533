package io.experimentetl.maintenance;

import io.experimentetl.audit.Audit;
import io.experimentetl.audit.AuditReport;
import io.experimentetl.audit.AuditSettings;
import io.experimentetl.audit.CannotCompareException;
import io.experimentetl.audit.VerdictRecord;
import io.experimentetl.config.JobConfig;
import io.experimentetl.maintenance.Schedule.Outcome;
import io.experimentetl.operations.ColdStorage;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.Deployment;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.operations.PostgresLogin;
import io.experimentetl.operations.SavepointRemoval;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The work of the scheduled tasks. A step that fails does not keep the others from running. */
public final class Maintenance {
  private static final Logger LOG = LoggerFactory.getLogger(Maintenance.class);

  /** Long enough for a large partition's ANALYZE. */
  private static final Duration STATEMENT_TIMEOUT = Duration.ofHours(2);

  private static final Duration CLEANUP_BUDGET = Duration.ofHours(4);
  private static final Duration AUDIT_PATIENCE = Duration.ofMinutes(5);

  private final Databases databases;
  private final Optional<Deployment> deployment;
  private final Clock clock;

  /** Maintenance of a deployment's databases. */
  public Maintenance(Databases databases, Clock clock) {
    this(databases, Optional.empty(), clock);
  }

  /** Maintenance of a deployment's databases and savepoints. */
  public Maintenance(Deployment deployment, Clock clock) {
    this(deployment.databases(), Optional.of(deployment), clock);
  }

  private Maintenance(Databases databases, Optional<Deployment> deployment, Clock clock) {
    this.databases = databases;
    this.deployment = deployment;
    this.clock = clock;
  }

  /** What the task does. */
  public Outcome run(ScheduledTask task) {
    return switch (task) {
      case DAILY -> daily();
      case WEEKLY -> weekly();
      case MONTHLY -> monthly();
    };
  }

  @FunctionalInterface
  private interface Step {
    String run() throws SQLException;
  }

  /** A step that ran and could not do everything. */
  private static final class IncompleteException extends OperationsException {
    private static final long serialVersionUID = 1L;

    IncompleteException(String message) {
      super(message);
    }
  }

  private Outcome daily() {
    List<String> details = new ArrayList<>();
    boolean succeeded = step(details, "watermark", this::advanceWatermark);
    succeeded &= step(details, "partitions", this::maintainPartitions);
    succeeded &= step(details, "cleanup", this::cleanUp);
    succeeded &= step(details, "forget", this::forget);
    succeeded &=
        step(
            details,
            "sizes",
            () -> {
              new DataStatistics(databases.postgres(), databases.clickHouse(), clock).record();
              return "recorded";
            });
    Integer keep = databases.config().serve().keepSavepoints();
    if (keep != null && deployment.isPresent()) {
      succeeded &= step(details, "savepoints", () -> removeSavepoints(deployment.get(), keep));
    }
    return new Outcome(succeeded, String.join("; ", details));
  }

  private static String removeSavepoints(Deployment deployment, int keep) {
    int removed =
        new SavepointRemoval(deployment, line -> LOG.info("savepoints: {}", line)).keepNewest(keep);
    return removed + " removed";
  }

  private static boolean step(List<String> details, String name, Step step) {
    try {
      details.add(name + ": " + step.run());
      return true;
    } catch (SQLException | OperationsException e) {
      details.add(name + " FAILED: " + e.getMessage());
      return false;
    }
  }

  private String advanceWatermark() throws SQLException {
    boolean advanced = Watermark.of(databases).advance(Duration.ofMinutes(1));
    return advanced ? "written" : "ClickHouse is behind, the former one holds";
  }

  private String maintainPartitions() throws SQLException {
    List<Map<String, Object>> rows =
        new Partitions(databases, STATEMENT_TIMEOUT).maintain(null, false);
    Map<String, Long> outcomes =
        rows.stream()
            .collect(
                Collectors.groupingBy(
                    row -> row.get("outcome").toString(), TreeMap::new, Collectors.counting()));
    String text =
        outcomes.entrySet().stream()
            .map(outcome -> outcome.getValue() + " " + outcome.getKey())
            .collect(Collectors.joining(", "));
    List<String> problems =
        rows.stream()
            .filter(row -> Set.of("FAILED", "REFUSED").contains(row.get("outcome")))
            .map(
                row ->
                    "%s %s: %s"
                        .formatted(row.get("parent_table"), row.get("task"), row.get("detail")))
            .toList();
    if (!problems.isEmpty()) {
      throw new IncompleteException(text + " (" + String.join(", ", problems) + ")");
    }
    return text;
  }

  private String cleanUp() throws SQLException {
    JobConfig config = databases.config();
    CleanupReport report =
        new Cleanup(databases, clock)
            .run(CleanupRequest.of(config.retention(), false, Set.of(), Map.of()), CLEANUP_BUDGET);
    String text =
        report.tables().stream()
            .filter(table -> table.rows() > 0 || table.refusedRows() > 0)
            .map(
                table ->
                    table.refusedRows() == 0
                        ? "%,d rows of %s".formatted(table.rows(), table.table())
                        : "%,d rows of %s (%,d stay)"
                            .formatted(table.rows(), table.table(), table.refusedRows()))
            .collect(Collectors.joining(", "));
    if (!report.complete()) {
      throw new IncompleteException("not finished in time; " + text);
    }
    return text.isEmpty() ? "nothing was old" : text;
  }

  private String forget() {
    int months = ForgetCommand.forget(databases, clock).size();
    return months == 0 ? "done" : "done, %d archived months rewritten".formatted(months);
  }

  private Outcome weekly() {
    PostgresLogin postgres = databases.postgres();
    AuditSettings settings =
        AuditSettings.of(
            databases.config(),
            postgres.jdbcUrl(),
            postgres.user(),
            postgres.password(),
            databases.clickHouse().connection(),
            AUDIT_PATIENCE);
    try (VerdictRecord verdict = new VerdictRecord(settings)) {
      AuditReport report = new Audit(settings).run();
      verdict.write(report);
      return new Outcome(
          report.isEqual(),
          report.isEqual() ? "equal" : report.differences().size() + " differences, see verify");
    } catch (CannotCompareException | OperationsException e) {
      return new Outcome(false, "could not be compared: " + e.getMessage());
    }
  }

  private Outcome monthly() {
    ColdStorage storage = new ColdStorage(databases, clock);
    if (!storage.isOn()) {
      return new Outcome(true, "no archive is configured");
    }
    List<String> details = new ArrayList<>();
    boolean succeeded =
        step(
            details,
            "archive",
            () -> {
              WarehouseRetention.of(databases).stopForArchive();
              List<String> waiting = new ArrayList<>();
              int moved = storage.archive(waiting::add).size();
              return "%d months moved, %d wait".formatted(moved, waiting.size() - moved);
            });
    return new Outcome(succeeded, String.join("; ", details));
  }
}
