package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.cdc.ResyncRequest;
import io.experimentetl.config.SourceType;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.SqlNames;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.Heartbeat;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/** Asks the running job to read one table, or one partition, again. */
final class TableResync {
  private static final Duration POLL = Duration.ofSeconds(1);
  private static final Duration PATIENCE = Duration.ofHours(1);
  private static final Duration VISIBLE = Duration.ofMinutes(2);

  private static final String ROOT =
      """
      SELECT rn.nspname, r.relname, pn.nspname || '.' || p.relname
      FROM pg_class p
      JOIN pg_namespace pn ON pn.oid = p.relnamespace
      JOIN pg_class r ON r.oid = pg_partition_root(p.oid)
      JOIN pg_namespace rn ON rn.oid = r.relnamespace
      WHERE p.oid = to_regclass(?)""";

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
      List<ResyncRequest> requests = requests(connection, table, partition);
      for (ResyncRequest request : requests) {
        Heartbeat.write(connection, request.writer());
      }
      if (deployment.flink().activeJob(ExperimentEtlJob.NAME).isEmpty()) {
        log.accept(
            "no job runs; it reads %s again when it is started: submit"
                .formatted(requests.get(0).relation()));
        return true;
      }
      log.accept(
          "the job compares %s and reads the rows that differ"
              .formatted(requests.get(0).relation()));
      boolean agree = true;
      for (ResyncRequest request : requests) {
        await(connection, request);
        agree &= report(request);
      }
      return agree;
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  private OperationsException refused(SQLException e) {
    return new OperationsException(
        "PostgreSQL %s refused: %s".formatted(deployment.databases().postgres(), e.getMessage()),
        e);
  }

  /** One request for each kind of rows that the table gives. */
  private List<ResyncRequest> requests(Connection connection, String table, String partition)
      throws SQLException {
    SourceMapping mapping = mapping();
    List<TableBinding> named =
        mapping.tables().stream()
            .filter(binding -> table == null || isNamed(binding, table))
            .toList();
    Optional<Partition> part =
        partition == null ? Optional.empty() : partition(connection, partition);
    List<TableBinding> wanted =
        partition == null
            ? named
            : named.stream()
                .filter(binding -> part.filter(found -> found.isOf(binding)).isPresent())
                .toList();
    if (wanted.isEmpty()) {
      throw new OperationsException(
          partition == null
              ? table + " is not one of the tables that the job reads"
              : partition
                  + " is no partition of "
                  + (table == null ? "a table of the job" : table));
    }
    Map<SourceTable, ResyncRequest> requests = new EnumMap<>(SourceTable.class);
    for (TableBinding binding : wanted) {
      SourceTable captured = binding.table();
      if (binding.holdsRequests()) {
        throw new OperationsException(
            "ClickHouse does not hold the rows of %s, which erase users"
                .formatted(binding.readableName()));
      }
      if (captured == SourceTable.OUTBOX_EVENTS || captured == SourceTable.ETL_HEARTBEAT) {
        throw new OperationsException(
            "ClickHouse does not hold the rows of " + binding.readableName());
      }
      String relation = part.map(found -> found.relation(binding)).orElse(binding.readableName());
      requests.putIfAbsent(captured, ResyncRequest.of(captured, relation));
    }
    return List.copyOf(requests.values());
  }

  private SourceMapping mapping() {
    return deployment.config().source().tables();
  }

  /** By the name that it has here, or by the source's own. */
  private boolean isNamed(TableBinding binding, String table) {
    boolean isReplicated =
        deployment.config().replicate().stream()
            .anyMatch(of -> of.path().equals(binding.entry()) && of.name().equals(table));
    return isReplicated
        || binding.table().tableName().equals(table)
        || binding.entry().equals(table)
        || binding.name().equals(table)
        || binding.qualifiedName().equals(table);
  }

  /**
   * A partition.
   *
   * @param schema of the table that it belongs to
   * @param name its own name, with its schema
   */
  private record Partition(String schema, String table, String name) {
    boolean isOf(TableBinding binding) {
      return binding.schema().equals(schema) && binding.name().equals(table);
    }

    /** Its name as the job's look at the catalogue has it. */
    String relation(TableBinding binding) {
      return binding.mapped() ? name : name.substring(name.indexOf('.') + 1);
    }
  }

  /** Empty: there is no such partition. A name without a schema is looked for in source.schema. */
  private static Optional<Partition> partition(Connection connection, String name)
      throws SQLException {
    int dot = name.indexOf('.');
    List<String> candidates =
        dot < 0
            ? List.of(SqlNames.quoted(name))
            : List.of(
                SqlNames.quoted(name.substring(0, dot))
                    + "."
                    + SqlNames.quoted(name.substring(dot + 1)),
                SqlNames.quoted(name));
    for (String candidate : candidates) {
      try (PreparedStatement statement = connection.prepareStatement(ROOT)) {
        statement.setString(1, candidate);
        try (ResultSet root = statement.executeQuery()) {
          if (root.next()) {
            return Optional.of(
                new Partition(root.getString(1), root.getString(2), root.getString(3)));
          }
        }
      }
    }
    return Optional.empty();
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
  private boolean report(ResyncRequest request) {
    SourceTable table = request.table();
    String name = table == SourceTable.REPLICATED ? request.relation() : mapping().nameOf(table);
    List<String> open =
        Polling.until(VISIBLE, POLL, () -> Optional.of(openFindings(table)).filter(List::isEmpty))
            .orElseGet(() -> openFindings(table));
    log.accept(
        open.isEmpty()
            ? "PostgreSQL and ClickHouse agree about " + name
            : name + " still differs: " + open.get(0));
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
