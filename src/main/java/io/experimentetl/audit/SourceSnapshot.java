package io.experimentetl.audit;

import io.experimentetl.mapping.DeclaredExperiments;
import io.experimentetl.mapping.DeclaredSql;
import io.experimentetl.mapping.ErasedUsersSql;
import io.experimentetl.mapping.ListedRowsSql;
import io.experimentetl.mapping.RowsSql;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TableSql;
import io.experimentetl.model.Lsn;
import io.experimentetl.postgres.PostgresSession;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.postgresql.PGConnection;

/**
 * PostgreSQL at one position of its log: every transaction that committed before {@link #lsn} is
 * visible and none after.
 *
 * <p>Only the creation of a logical slot yields such a pair: the server reports the LSN of the
 * exported snapshot. The slot is temporary, keeps no WAL, and is dropped as soon as the snapshot is
 * imported.
 */
final class SourceSnapshot implements AutoCloseable {
  private static final Pattern WITH = Pattern.compile("^WITH\\s", Pattern.MULTILINE);

  private final Connection connection;
  private final Deadline deadline;
  private final long lsn;
  private final Instant takenAt;
  private final boolean utf8;
  private final Map<AuditedTable, RowsSql> tables = new EnumMap<>(AuditedTable.class);

  private SourceSnapshot(
      Connection connection, Deadline deadline, boolean utf8, long lsn, Instant takenAt) {
    this.connection = connection;
    this.deadline = deadline;
    this.utf8 = utf8;
    this.lsn = lsn;
    this.takenAt = takenAt;
  }

  static SourceSnapshot take(AuditSettings settings, Deadline deadline) {
    String slot = "experiment_etl_verify_" + UUID.randomUUID().toString().replace('-', '_');
    try (Connection replication = connect(settings, deadline, true);
        Statement command = replication.createStatement();
        // Every version since 10 accepts the form without parentheses.
        ResultSet created =
            command.executeQuery(
                "CREATE_REPLICATION_SLOT "
                    + slot
                    + " TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT")) {
      created.next();
      long lsn = Lsn.parse(created.getString("consistent_point"));
      String snapshot = created.getString("snapshot_name");
      Connection importing = importing(settings, deadline, snapshot);
      return new SourceSnapshot(importing, deadline, isUtf8(importing), lsn, Instant.now());
    } catch (SQLException e) {
      throw cannot(settings, e);
    }
  }

  /** The same snapshot on a connection of its own, for another thread. */
  SourceSnapshot beside(AuditSettings settings) {
    try (Statement statement = connection.createStatement();
        ResultSet exported = statement.executeQuery("SELECT pg_export_snapshot()")) {
      exported.next();
      return new SourceSnapshot(
          importing(settings, deadline, exported.getString(1)), deadline, utf8, lsn, takenAt);
    } catch (SQLException e) {
      throw cannot(settings, e);
    }
  }

  /**
   * Whether the database stores texts in ClickHouse's encoding.
   *
   * @throws CannotCompareException if it stores bytes of no encoding
   */
  private static boolean isUtf8(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet encoding = statement.executeQuery("SHOW server_encoding")) {
      encoding.next();
      if (encoding.getString(1).equals("SQL_ASCII")) {
        connection.close();
        throw new CannotCompareException(
            "PostgreSQL's database has the encoding SQL_ASCII: its texts are bytes of no known encoding, and cannot be compared"
                + " with ClickHouse's UTF-8. Load it into a database with ENCODING 'UTF8', and start the job there.");
      }
      return encoding.getString(1).equals("UTF8");
    }
  }

  private static Connection importing(AuditSettings settings, Deadline deadline, String snapshot)
      throws SQLException {
    Connection connection = connect(settings, deadline, false);
    try (Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
      statement.execute("SET TRANSACTION SNAPSHOT '" + snapshot + "'");
      statement.execute("SET LOCAL work_mem = '128MB'");
      // Compiling the recomputation takes longer than running it on most days' data.
      statement.execute("SET LOCAL jit = off");
      // The planner estimates a few rows per step of the recomputation and would choose nested
      // loops: hours on a real data set.
      statement.execute("SET LOCAL enable_nestloop = off");
      return connection;
    } catch (SQLException e) {
      connection.close();
      throw e;
    }
  }

  static Connection connect(AuditSettings settings, Deadline deadline, boolean replication)
      throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", settings.postgresUser());
    properties.setProperty("password", settings.postgresPassword());
    properties.setProperty("connectTimeout", "10");
    properties.setProperty("tcpKeepAlive", "true");
    properties.setProperty("ApplicationName", "experiment-etl verify");
    if (replication) {
      // Waits for open transactions, and nothing shows whether they end.
      properties.setProperty(
          "socketTimeout", Long.toString(Math.max(1, deadline.left().toSeconds())));
      properties.setProperty("replication", "database");
      properties.setProperty("preferQueryMode", "simple");
      properties.setProperty("assumeMinServerVersion", "10");
    }
    return PostgresSession.open(settings.postgresUrl(), properties);
  }

  /** The error for the operator, with its cause and remedy. */
  static CannotCompareException cannot(AuditSettings settings, SQLException e) {
    String state = e.getSQLState() == null ? "" : e.getSQLState();
    String remedy;
    if (state.startsWith("28")) {
      remedy =
          "correct the user "
              + settings.postgresUser()
              + " or its password (EXPERIMENT_ETL_SOURCE_PASSWORD or --postgres-password-file).";
    } else if (state.equals("42501")) {
      remedy =
          "sql/postgres/002_etl.sql grants the role "
              + settings.postgresUser()
              + " what it needs: REPLICATION, SELECT on the tables, and writing etl_heartbeat.";
    } else if (state.equals("42P01") || state.equals("3F000")) {
      remedy = "apply sql/postgres, or correct the database or its schema.";
    } else if (state.equals("53400") || state.equals("53000")) {
      remedy = "one more replication slot is needed for a moment: raise max_replication_slots.";
    } else if (state.startsWith("08") && e.getCause() instanceof java.net.SocketTimeoutException) {
      remedy =
          "a transaction that has been open for long holds a slot up (select * from pg_stat_activity order by xact_start):"
              + " end it, or raise --deadline.";
    } else if (state.startsWith("08")) {
      remedy = "start it, or correct --postgres-url or source.host in the configuration.";
    } else {
      remedy = "see the server's message.";
    }
    return new CannotCompareException(
        "PostgreSQL at "
            + settings.postgresUrl()
            + " can't be compared: "
            + remedy
            + " Its message: "
            + e.getMessage(),
        e);
  }

  /** Receives one row of a result. */
  interface RowReader {
    void read(ResultSet row) throws SQLException;
  }

  /**
   * Passes the rows of the result to the reader. All rows are fetched at once: with a fetch size
   * PostgreSQL would not use its parallel workers, and no result is large.
   */
  void read(AuditSettings settings, String sql, RowReader reader) {
    Deadline.Watch watch = deadline.watch(() -> isWorking(settings), this::abort);
    try (watch;
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      while (rows.next()) {
        deadline.moved();
        reader.read(rows);
      }
    } catch (SQLException e) {
      if (watch.isStopped()) {
        throw new CannotCompareException(
            "PostgreSQL at "
                + settings.postgresUrl()
                + " has not moved for "
                + deadline.length().toSeconds()
                + " s: see what verify waits for (SELECT * FROM pg_stat_activity WHERE application_name = 'experiment-etl verify'),"
                + " or raise --deadline.",
            e);
      }
      throw cannot(settings, e);
    }
  }

  /** Whether PostgreSQL answers, and runs the query without waiting for a lock. */
  private boolean isWorking(AuditSettings settings) throws SQLException {
    try (Connection observer = connect(settings, deadline, false)) {
      observer.setNetworkTimeout(Runnable::run, (int) deadline.length().toMillis());
      try (PreparedStatement activity =
          observer.prepareStatement(
              "SELECT count(*) FROM pg_stat_activity WHERE pid = ? AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'")) {
        activity.setInt(1, connection.unwrap(PGConnection.class).getBackendPID());
        try (ResultSet working = activity.executeQuery()) {
          working.next();
          return working.getInt(1) > 0;
        }
      }
    }
  }

  /** Ends the connection, and with it a query that another thread runs on it. */
  void abort() {
    try {
      connection.abort(Runnable::run);
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * Passes the rows of a statement that names our tables to the reader. It reads them through the
   * source mapping, with JSON as the text that PostgreSQL prints.
   */
  void readRows(AuditSettings settings, String sql, RowReader reader) {
    read(settings, mapped(settings, sql, false), reader);
  }

  /** The same for a recomputation: JSON is jsonb. */
  void recompute(AuditSettings settings, String sql, RowReader reader) {
    read(settings, mapped(settings, sql, true), reader);
  }

  /**
   * The statement with a definition of each of our tables that the source has under another name,
   * with other columns or with other types. A column that a table does not have is NULL.
   */
  private String mapped(AuditSettings settings, String sql, boolean forFigures) {
    String entries =
        Stream.concat(
                erasedUsers(settings),
                Arrays.stream(AuditedTable.values())
                    .flatMap(table -> rowsOf(settings, table).entry(forFigures).stream()))
            .collect(Collectors.joining(", "));
    if (entries.isEmpty()) {
      return sql;
    }
    Matcher with = WITH.matcher(sql);
    return with.find()
        ? with.replaceFirst(Matcher.quoteReplacement("WITH " + entries + ", "))
        : "WITH " + entries + " " + sql;
  }

  /** The entry that the facts' entries refer to; empty: no row erases a user. */
  private Stream<String> erasedUsers(AuditSettings settings) {
    List<TableSql> tables = new ArrayList<>();
    settings.mapping().erasing().forEach(binding -> tables.add(table(settings, binding)));
    return tables.isEmpty() ? Stream.empty() : Stream.of(ErasedUsersSql.entry(tables));
  }

  /** The table's columns to compare. */
  ComparedColumns columnsOf(AuditSettings settings, AuditedTable table) {
    return ComparedColumns.of(rowsOf(settings, table));
  }

  private RowsSql rowsOf(AuditSettings settings, AuditedTable table) {
    RowsSql rows = tables.get(table);
    if (rows == null) {
      List<TableSql> parts = new ArrayList<>();
      boolean mayBeOfErased =
          (table == AuditedTable.ASSIGNMENTS || table == AuditedTable.EVENTS)
              && !settings.mapping().erasing().isEmpty();
      for (TableBinding binding : settings.mapping().of(table.source())) {
        TableSql own = table(settings, binding);
        TableSql part = mayBeOfErased ? own.exceptErased() : own;
        parts.add(
            table == AuditedTable.VARIANTS && settings.mapping().variantsNameOtherIds()
                ? part.naming(rowsOf(settings, AuditedTable.EXPERIMENTS).parts().get(0))
                : part);
      }
      DeclaredExperiments declared = settings.mapping().declared();
      if (declared != null && !declared.of(table.source()).isEmpty()) {
        parts.add(
            DeclaredSql.of(
                table.source(), declared.of(table.source()), settings.mapping().schema()));
      }
      rows = new RowsSql(table.source(), parts);
      tables.put(table, rows);
    }
    return rows;
  }

  private TableSql table(AuditSettings settings, TableBinding binding) {
    Map<String, String> types = new HashMap<>();
    read(
        settings,
        TableSql.typesQuery(binding),
        row -> types.put(row.getString(1), row.getString(2)));
    for (String column : binding.decidingColumns()) {
      if (!types.containsKey(column)) {
        throw new CannotCompareException(
            "%s has no column %s, by which source.tables.%s selects rows: correct it there, redeploy, and compare again."
                .formatted(binding.readableName(), column, binding.entry()));
      }
    }
    return ListedRowsSql.of(
        new TableSql(binding, types, binding.schema().equals(settings.mapping().schema())));
  }

  boolean isUtf8() {
    return utf8;
  }

  long lsn() {
    return lsn;
  }

  /** The time by this machine's clock, exact enough because ages of rows are compared in days. */
  Instant takenAt() {
    return takenAt;
  }

  @Override
  public void close() {
    try {
      connection.close();
    } catch (SQLException e) {
      throw new CannotCompareException("PostgreSQL's connection could not be closed.", e);
    }
  }
}
