package io.experimentetl.cdc;

import io.experimentetl.mapping.FoundTable;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import io.experimentetl.tls.TlsFailure;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Checks the source's server before the job is submitted. Every problem is one sentence that names
 * the object, the place and the remedy.
 */
public final class PostgresPreflight {

  private static final String ETL_SQL = "apply sql/postgres/002_etl.sql";
  private static final String MAPPED_ETL_SQL = "apply what the verb map prints";
  private static final String SLOT_SQL = "apply sql/postgres/003_slot.sql";

  private static final int OLDEST_VERSION = 140000;

  private final PostgresSourceSettings settings;
  private final boolean hasState;
  private final boolean ahead;
  private final String etlSql;
  private final List<String> problems = new ArrayList<>();

  private PostgresPreflight(PostgresSourceSettings settings, boolean hasState, boolean ahead) {
    this.settings = settings;
    this.hasState = hasState;
    this.ahead = ahead;
    this.etlSql =
        settings.mapping().tables().stream().anyMatch(TableBinding::mapped)
            ? MAPPED_ETL_SQL
            : ETL_SQL;
  }

  /**
   * All problems that would keep the job from starting or make it lose rows; empty: none.
   *
   * @param hasState the job continues from a savepoint or checkpoint
   * @param ahead whether the start comes later: the job that still runs may read the slot, and a
   *     slot that a start without state needs is made before it
   */
  public static List<String> check(
      PostgresSourceSettings settings, boolean hasState, boolean ahead) {
    return new PostgresPreflight(settings, hasState, ahead).problems();
  }

  private List<String> problems() {
    try (Connection connection = SourceServer.connect(settings)) {
      if (isServerFit(connection)) {
        checkRole(connection);
        checkTables(connection);
        checkPublication(connection);
        checkSlot(connection);
      }
    } catch (SQLException e) {
      problems.add(connectionProblem(e));
    } catch (IllegalStateException e) {
      // The message of the password's supplier contains the remedy.
      problems.add(e.getMessage());
    }
    return List.copyOf(problems);
  }

  private String connectionProblem(SQLException e) {
    String state = e.getSQLState() == null ? "" : e.getSQLState();
    String login = " as " + settings.username() + " at PostgreSQL " + settings.place();
    String tls = TlsFailure.explain(e);
    if (tls != null) {
      return "PostgreSQL " + settings.place() + " cannot be used: " + tls + ".";
    }
    if (state.startsWith("28")) {
      return "The login"
          + login
          + " is refused: check source.username, the password and pg_hba.conf.";
    }
    if (state.equals("3D000")) {
      return "PostgreSQL "
          + settings.host()
          + ":"
          + settings.port()
          + " has no database "
          + settings.database()
          + ": check source.database.";
    }
    if (state.startsWith("08")) {
      return "PostgreSQL "
          + settings.place()
          + " cannot be reached ("
          + e.getMessage()
          + "): check source.host and source.port, and that the server runs.";
    }
    return "The check" + login + " failed: " + e.getMessage() + " (SQLSTATE " + state + ").";
  }

  private boolean isServerFit(Connection connection) throws SQLException {
    int version = Integer.parseInt(one(connection, "SELECT current_setting('server_version_num')"));
    if (version < OLDEST_VERSION) {
      problems.add(
          "PostgreSQL "
              + settings.place()
              + " is version "
              + one(connection, "SHOW server_version")
              + ": 14 or newer is needed.");
      return false;
    }
    String walLevel = one(connection, "SHOW wal_level");
    if (!"logical".equals(walLevel)) {
      problems.add(
          "wal_level of PostgreSQL "
              + settings.place()
              + " is "
              + walLevel
              + ": set it to logical in postgresql.conf and restart the server.");
    }
    String encoding = SourceServer.encodingProblem(connection, settings);
    if (encoding != null) {
      problems.add(encoding);
    }
    return true;
  }

  private void checkRole(Connection connection) throws SQLException {
    if (!"t"
        .equals(
            one(
                connection,
                "SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user"))) {
      problems.add(
          "The role "
              + settings.username()
              + " may not replicate from PostgreSQL "
              + settings.place()
              + ": ALTER ROLE "
              + settings.username()
              + " REPLICATION.");
    }
  }

  private void checkTables(Connection connection) throws SQLException {
    List<TableBinding> bindings = settings.bindings();
    List<FoundTable> tables = FoundTable.all(connection);
    problems.addAll(MappingCheck.problems(bindings, tables, settings.place(), this::isNeeded));
    Set<String> checked = new HashSet<>();
    for (TableBinding binding : bindings) {
      if (MappingCheck.found(binding, tables).isPresent() && checked.add(binding.qualifiedName())) {
        checkPrivileges(connection, binding);
        checkReplicaIdentity(connection, binding);
      }
    }
  }

  /** A running job counts a dropped column as NULL and reports it; a restart must go on too. */
  private boolean isNeeded(SourceColumn<?> column) {
    return !column.isOptional() && !(hasState && column.isNullable());
  }

  private void checkPrivileges(Connection connection, TableBinding binding) throws SQLException {
    boolean written = binding.table() == SourceTable.ETL_HEARTBEAT;
    String missing =
        String.join(
            ", ",
            all(
                connection,
                "SELECT p FROM unnest(string_to_array(?, ' ')) p"
                    + " WHERE NOT has_table_privilege(format('%I.%I', ?::text, ?::text), p)",
                written ? "SELECT INSERT UPDATE" : "SELECT",
                binding.schema(),
                binding.name()));
    if (!missing.isEmpty()) {
      problems.add(
          "The role "
              + settings.username()
              + " does not have "
              + missing
              + " on "
              + binding.qualifiedName()
              + " in "
              + settings.place()
              + ": "
              + etlSql
              + ", or grant it.");
    }
  }

  private void checkReplicaIdentity(Connection connection, TableBinding binding)
      throws SQLException {
    List<String> without =
        all(
            connection,
            "SELECT n.nspname || '.' || c.relname FROM (SELECT format('%I.%I', ?::text, ?::text)::regclass AS oid UNION"
                + " SELECT relid FROM pg_partition_tree(format('%I.%I', ?::text, ?::text)::regclass)) t"
                + " JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace"
                + " WHERE c.relreplident <> 'f' ORDER BY 1",
            binding.schema(),
            binding.name(),
            binding.schema(),
            binding.name());
    for (String relation : without) {
      problems.add(
          "The table "
              + relation
              + " in "
              + settings.place()
              + " has no REPLICA IDENTITY FULL, so updates and deletes arrive without the old row: "
              + etlSql
              + ".");
    }
  }

  private void checkPublication(Connection connection) throws SQLException {
    String publication = "The publication " + settings.publication() + " in " + settings.place();
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT pubviaroot, pubinsert AND pubupdate AND pubdelete AND pubtruncate"
                + " FROM pg_publication WHERE pubname = ?")) {
      statement.setString(1, settings.publication());
      try (ResultSet row = statement.executeQuery()) {
        if (!row.next()) {
          problems.add(publication + " is missing: " + etlSql + ".");
          return;
        }
        if (!row.getBoolean(1)) {
          problems.add(
              publication
                  + " does not publish via the partition root, so rows would name their partition: "
                  + etlSql
                  + ".");
        }
        if (!row.getBoolean(2)) {
          problems.add(
              publication
                  + " does not publish all of insert, update, delete, truncate: ALTER PUBLICATION "
                  + settings.publication()
                  + " SET (publish = 'insert, update, delete, truncate').");
        }
      }
    }
    checkPublishedTables(connection, publication);
    for (String table :
        all(
            connection,
            // PostgreSQL 14 has neither row filters nor column lists, nor the columns that hold
            // them.
            "SELECT r.prrelid::regclass::text FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid"
                + " WHERE p.pubname = ? AND coalesce(to_jsonb(r) ->> 'prqual', to_jsonb(r) ->> 'prattrs') IS NOT NULL"
                + " ORDER BY 1",
            settings.publication())) {
      problems.add(
          publication
              + " leaves out rows or columns of "
              + table
              + ": "
              + etlSql
              + ", which publishes whole tables.");
    }
  }

  private void checkPublishedTables(Connection connection, String publication) throws SQLException {
    Set<String> expected = new TreeSet<>();
    settings.bindings().forEach(binding -> expected.add(binding.qualifiedName()));
    Set<String> allowed = new HashSet<>(expected);
    // Without the relay it may be published or not: the job skips its rows.
    settings
        .mapping()
        .of(SourceTable.OUTBOX_EVENTS)
        .forEach(binding -> allowed.add(binding.qualifiedName()));
    Map<String, String> published = publishedTables(connection);
    for (String table : expected) {
      if (!published.containsKey(table)) {
        problems.add(publication + " does not contain the table " + table + ": " + etlSql + ".");
      }
    }
    published.forEach(
        (table, root) -> {
          // Without publish_via_partition_root the partitions are listed: reported separately.
          if (!allowed.contains(table) && !allowed.contains(root)) {
            problems.add(
                publication
                    + " also holds "
                    + table
                    + ", which the job does not read: "
                    + etlSql
                    + ", and give other readers a publication of their own.");
          }
        });
  }

  /** The published tables, each with the table that it is a partition of, or itself. */
  private Map<String, String> publishedTables(Connection connection) throws SQLException {
    Map<String, String> published = new TreeMap<>();
    try (PreparedStatement statement =
        connection.prepareStatement(
            """
            SELECT n.nspname || '.' || c.relname, rn.nspname || '.' || rc.relname
            FROM pg_publication_tables p
            JOIN pg_namespace n ON n.nspname = p.schemaname
            JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
            JOIN pg_class rc ON rc.oid = coalesce(pg_partition_root(c.oid), c.oid)
            JOIN pg_namespace rn ON rn.oid = rc.relnamespace
            WHERE p.pubname = ?""")) {
      statement.setString(1, settings.publication());
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          published.put(rows.getString(1), rows.getString(2));
        }
      }
    }
    return published;
  }

  private void checkSlot(Connection connection) throws SQLException {
    String which = "The replication slot " + settings.slot() + " on " + settings.place();
    ReplicationSlot slot = SourceServer.slot(connection, settings.slot());
    if (slot == null) {
      if (ahead && !hasState) {
        return;
      }
      problems.add(
          hasState
              ? which
                  + " is missing, and the changes since the job stopped are lost: "
                  + SLOT_SQL
                  + ", and "
                  + Continuity.START_ANEW
              : which + " is missing: " + SLOT_SQL + ".");
      return;
    }
    if (!"pgoutput".equals(slot.plugin())) {
      problems.add(which + " uses the plugin " + slot.plugin() + ": drop it and " + SLOT_SQL + ".");
    }
    if (!settings.database().equals(slot.database())) {
      problems.add(
          which
              + " belongs to the database "
              + slot.database()
              + ": give source.slot another name and create that slot in "
              + settings.database()
              + ".");
    }
    if (slot.isLost() && !(ahead && !hasState)) {
      problems.add(
          which
              + " has lost WAL: drop it, "
              + SLOT_SQL
              + ", raise max_slot_wal_keep_size, and "
              + Continuity.START_ANEW);
    }
    if (slot.active() && !(ahead && hasState)) {
      problems.add(
          which
              + " is being read by another process: stop the job that reads it, or give this one a slot of its own.");
    }
  }

  private static String one(Connection connection, String sql) throws SQLException {
    return all(connection, sql).get(0);
  }

  private static List<String> all(Connection connection, String sql, String... parameters)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < parameters.length; i++) {
        statement.setString(i + 1, parameters[i]);
      }
      try (ResultSet rows = statement.executeQuery()) {
        List<String> values = new ArrayList<>();
        while (rows.next()) {
          values.add(rows.getString(1));
        }
        return values;
      }
    }
  }
}
