package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.cdc.ResyncRequest;
import io.experimentetl.config.SourceType;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.Heartbeat;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** Asks the running job to read one table, or one partition, again. */
final class TableResync {
  private static final Duration POLL = Duration.ofSeconds(1);
  private static final Duration PATIENCE = Duration.ofHours(1);
  private static final Duration VISIBLE = Duration.ofMinutes(2);

  private static final String ROOT =
      "SELECT relname FROM pg_class WHERE oid = pg_partition_root(to_regclass(?))";

  private final Deployment deployment;
  private final Consumer<String> log;

  TableResync(Deployment deployment, Consumer<String> log) {
    this.deployment = deployment;
    this.log = log;
  }

  /**
   * Reads a table or a partition again.
   *
   * @param table null: that of the partition
   * @param partition null: the whole table
   * @return whether PostgreSQL and ClickHouse agree about it, as far as is known
   * @throws OperationsException the names are wrong, or a server does not answer
   */
  boolean run(String table, String partition) {
    if (deployment.config().source().type() != SourceType.POSTGRES) {
      throw new OperationsException(
          "resync --table needs source.type: postgres. With kafka, let Debezium send the table again by an ad-hoc snapshot");
    }
    try (Connection connection = deployment.databases().postgres().connect()) {
      SourceTable captured = captured(connection, table, partition);
      ResyncRequest request =
          ResyncRequest.of(captured, partition == null ? captured.tableName() : partition);
      Heartbeat.write(connection, request.writer());
      if (deployment.flink().activeJob(ExperimentEtlJob.NAME).isEmpty()) {
        log.accept(
            "no job runs; it reads %s again when it is started: submit"
                .formatted(request.relation()));
        return true;
      }
      log.accept(
          "the job compares %s and reads the rows that differ".formatted(request.relation()));
      await(connection, request);
      return report(captured);
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  private OperationsException refused(SQLException e) {
    return new OperationsException(
        "PostgreSQL %s refused: %s".formatted(deployment.databases().postgres(), e.getMessage()),
        e);
  }

  private static SourceTable captured(Connection connection, String table, String partition)
      throws SQLException {
    String name = partition == null ? table : root(connection, partition);
    SourceTable captured = name == null ? null : SourceTable.ofTableName(name);
    if (captured == null || (table != null && !captured.tableName().equals(table))) {
      throw new OperationsException(
          partition == null
              ? table + " is not one of the tables that the job reads"
              : partition
                  + " is no partition of "
                  + (table == null ? "a table of the job" : table));
    }
    if (captured == SourceTable.OUTBOX_EVENTS || captured == SourceTable.ETL_HEARTBEAT) {
      throw new OperationsException("ClickHouse does not hold the rows of " + name);
    }
    return captured;
  }

  /** The table that a partition belongs to; null: there is no such partition. */
  private static String root(Connection connection, String partition) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(ROOT)) {
      statement.setString(1, '"' + partition.replace("\"", "\"\"") + '"');
      try (ResultSet root = statement.executeQuery()) {
        return root.next() ? root.getString(1) : null;
      }
    }
  }

  private void await(Connection connection, ResyncRequest request) {
    Optional<Boolean> done = Polling.until(PATIENCE, POLL, () -> isDone(connection, request));
    if (done.isEmpty()) {
      throw new OperationsException(
          "the job has not read %s within an hour. It goes on; see its log and the metric reread_rows_total"
              .formatted(request.relation()));
    }
  }

  private Optional<Boolean> isDone(Connection connection, ResyncRequest request) {
    try (PreparedStatement statement =
        connection.prepareStatement("SELECT FROM etl_heartbeat WHERE writer = ?")) {
      statement.setString(1, request.writer());
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          return Optional.of(true);
        }
      }
    } catch (SQLException e) {
      throw refused(e);
    }
    if (deployment.flink().activeJob(ExperimentEtlJob.NAME).isEmpty()) {
      throw new OperationsException(
          "the job ended before it had read %s: submit it again from its last checkpoint, it finds the request"
              .formatted(request.relation()));
    }
    return Optional.empty();
  }

  /** The finding is resolved with a checkpoint after the request is done. */
  private boolean report(SourceTable table) {
    List<String> open =
        Polling.until(VISIBLE, POLL, () -> Optional.of(openFindings(table)).filter(List::isEmpty))
            .orElseGet(() -> openFindings(table));
    log.accept(
        open.isEmpty()
            ? "PostgreSQL and ClickHouse agree about " + table.tableName()
            : table.tableName() + " still differs: " + open.get(0));
    return open.isEmpty();
  }

  private List<String> openFindings(SourceTable table) {
    return deployment
        .databases()
        .clickHouse()
        .list(
            "SELECT detail FROM data_inconsistencies FINAL WHERE code = '%s' AND subject_key = '%s' AND status = 'OPEN'"
                .formatted(FindingCode.C_UNSTREAMED.code(), table.tableName()),
            row -> row.getString(1));
  }
}
