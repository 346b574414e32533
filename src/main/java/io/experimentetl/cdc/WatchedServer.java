package io.experimentetl.cdc;

import io.experimentetl.cdc.TableComparison.DifferingRow;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The watch's connection to the source. It is kept open between looks, and opened again after a
 * failure. Only the watch's thread uses it, except for {@link #close}.
 */
final class WatchedServer implements SourceWatch.Source, AutoCloseable {
  /** A change that no transaction of the source made: no transaction has this id. */
  private static final long NO_TRANSACTION = -1;

  /** What is announced beyond it is compared, as if it were not announced. */
  private static final int MAX_ANNOUNCEMENTS = 10_000;

  private final PostgresSourceSettings settings;
  private Connection connection;

  WatchedServer(PostgresSourceSettings settings) {
    this.settings = settings;
  }

  private interface Query<T> {
    T run(Connection connection) throws SQLException;
  }

  private <T> T query(Query<T> query) throws SQLException {
    Connection open = connection();
    try {
      return query.run(open);
    } catch (SQLException e) {
      close();
      throw e;
    }
  }

  private synchronized Connection connection() throws SQLException {
    if (connection == null) {
      Connection opened = SourceServer.connect(settings);
      try (Statement statement = opened.createStatement()) {
        // The bounds of partitions are printed in it.
        statement.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET lock_timeout = '5s'");
      } catch (SQLException e) {
        opened.close();
        throw e;
      }
      connection = opened;
    }
    return connection;
  }

  @Override
  public SourceLook look() throws SQLException {
    return query(
        open ->
            new SourceLook(
                // The announcements are read behind the catalogue, so they explain all of it.
                CatalogueQuery.read(open, settings),
                SourceServer.now(open),
                writers(open, ResyncRequest.PATTERN, 100).stream()
                    .map(ResyncRequest::parse)
                    .toList(),
                writers(open, PartitionAnnouncement.PATTERN, MAX_ANNOUNCEMENTS).stream()
                    .flatMap(writer -> PartitionAnnouncement.parse(writer).stream())
                    .toList()));
  }

  /** The keys of the heartbeat table that are like the pattern, the newest first. */
  private List<String> writers(Connection open, String pattern, int limit) throws SQLException {
    List<String> writers = new ArrayList<>();
    try (PreparedStatement statement =
        open.prepareStatement(
            "SELECT writer FROM "
                + SourceServer.quoted(settings.schema())
                + ".etl_heartbeat WHERE writer LIKE ? ORDER BY beat_at DESC, writer LIMIT ?")) {
      statement.setString(1, pattern);
      statement.setInt(2, limit);
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          writers.add(rows.getString(1));
        }
      }
    }
    return writers;
  }

  @Override
  public void complete(ResyncRequest request) throws SQLException {
    query(
        open -> {
          try (PreparedStatement statement =
              open.prepareStatement(
                  "DELETE FROM "
                      + SourceServer.quoted(settings.schema())
                      + ".etl_heartbeat WHERE writer = ?")) {
            statement.setString(1, request.writer());
            return statement.executeUpdate();
          }
        });
  }

  /** Reads the rows again, and returns the changes that make the warehouse equal to them. */
  RereadRows.Read read(SourceTable table, List<DifferingRow> rows) throws SQLException {
    return query(
        open -> {
          Set<String> keys = rows.stream().map(DifferingRow::key).collect(Collectors.toSet());
          Map<String, SourceRow> found = new HashMap<>();
          for (TableBinding binding : settings.mapping().of(table)) {
            found.putAll(new TableRowReader(binding, settings.mapping(), open).read(open, keys));
          }
          long at = SourceServer.now(open);
          List<Change> changes = new ArrayList<>();
          for (DifferingRow row : rows) {
            addChanges(table, row, found.get(row.key()), at, changes);
          }
          return new RereadRows.Read(changes, SourceServer.position(open).walEndLsn());
        });
  }

  private static void addChanges(
      SourceTable table, DifferingRow row, SourceRow now, long at, List<Change> changes) {
    boolean moved = false;
    for (SourceRow inWarehouse : row.inWarehouse()) {
      if (now == null) {
        changes.add(change(table, ChangeKind.DELETE, inWarehouse, null, at));
        continue;
      }
      Change update = change(table, ChangeKind.UPDATE, inWarehouse, now, at);
      if (RowKey.changes(update)) {
        moved = true;
        changes.add(update);
      }
    }
    if (now != null && !moved) {
      changes.add(change(table, ChangeKind.REREAD, null, now, at));
    }
  }

  private static Change change(
      SourceTable table, ChangeKind kind, SourceRow before, SourceRow after, long at) {
    return new Change(
        table, kind, 0, new SourcePosition(0, 0, NO_TRANSACTION, 0, at), before, after);
  }

  @Override
  public synchronized void close() throws SQLException {
    if (connection != null) {
      Connection closing = connection;
      connection = null;
      closing.close();
    }
  }
}
