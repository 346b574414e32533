package io.experimentetl.cdc;

import io.debezium.relational.Table;
import io.debezium.relational.TableId;
import io.debezium.relational.history.TableChanges.TableChange;
import io.debezium.relational.history.TableChanges.TableChangeType;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.cdc.connectors.base.source.assigner.splitter.ChunkSplitter;
import org.apache.flink.cdc.connectors.base.source.assigner.state.ChunkSplitterState;
import org.apache.flink.cdc.connectors.base.source.meta.split.SnapshotSplit;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

/**
 * Divides the tables into the chunks of the snapshot: ranges of blocks, leaf by leaf.
 *
 * <p>Why no row is missed although rows move while the chunks are read:
 *
 * <ul>
 *   <li>The slot exists before the leaves are measured, and the stream begins where it stands
 *       before the first chunk.
 *   <li>A row that nobody changes from then on stays in its block until its leaf is rewritten,
 *       which {@link LeafCopy} notices.
 *   <li>A row that is changed later is in the stream, whole: the leaf has REPLICA IDENTITY FULL.
 * </ul>
 *
 * <p>A leaf without REPLICA IDENTITY FULL is one range: a large value that an update leaves as it
 * was is not in the stream.
 */
final class LeafSplitter implements ChunkSplitter {
  /** Ranges of a chunk: several connections read them side by side. */
  private static final int RANGES_PER_CHUNK = 4;

  /** Where the server has not counted them yet. */
  private static final double ROWS_PER_BLOCK = 50;

  /** Of 8 kB. */
  private static final long MOST_BLOCKS_PER_CHUNK = 16_384;

  /** The connector keeps a type for the bounds of a chunk, and reads it back. */
  private static final RowType BOUNDS =
      RowType.of(new LogicalType[] {new BigIntType()}, new String[] {"leaf"});

  private static final String LEAVES =
      """
      SELECT c.oid::bigint, coalesce(pg_relation_filenode(c.oid), 0)::bigint,
          coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint + 1,
          c.relreplident = 'f' AND c.relkind = 'r' AND a.amname = 'heap',
          CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples / c.relpages ELSE 0 END
      FROM pg_class root
          CROSS JOIN LATERAL (
              SELECT root.oid AS leaf WHERE root.relkind <> 'p'
              UNION ALL SELECT relid FROM pg_partition_tree(root.oid) WHERE root.relkind = 'p' AND isleaf) t
          JOIN pg_class c ON c.oid = t.leaf
          LEFT JOIN pg_am a ON a.oid = c.relam
      WHERE root.oid = format('%I.%I', ?::text, ?::text)::regclass
      ORDER BY c.relname""";

  private final PostgresSourceSettings settings;

  LeafSplitter(PostgresSourceSettings settings) {
    this.settings = settings;
  }

  /** What the connector wants to know of a table; nobody reads its columns. */
  static Map<TableId, TableChange> schema(TableId table) {
    return Map.of(
        table, new TableChange(TableChangeType.CREATE, Table.editor().tableId(table).create()));
  }

  @Override
  public List<SnapshotSplit> generateSplits(TableId table) throws SQLException {
    List<SnapshotSplit> splits = new ArrayList<>();
    List<LeafRange> chunk = new ArrayList<>();
    double filled = 0;
    try (Connection connection = SourceServer.connect(settings);
        PreparedStatement statement = connection.prepareStatement(LEAVES)) {
      statement.setString(1, table.schema());
      statement.setString(2, table.table());
      try (ResultSet leaves = statement.executeQuery()) {
        while (leaves.next()) {
          long leaf = leaves.getLong(1);
          long filenode = leaves.getLong(2);
          long blocks = leaves.getLong(3);
          double rowsPerBlock = leaves.getDouble(5) == 0 ? ROWS_PER_BLOCK : leaves.getDouble(5);
          long most =
              Math.max(
                  1, Math.min(MOST_BLOCKS_PER_CHUNK, (long) (settings.splitSize() / rowsPerBlock)));
          long step = leaves.getBoolean(4) ? Math.max(1, most / RANGES_PER_CHUNK) : LeafRange.OPEN;
          for (long from = 0; from == 0 || from < blocks; from += step) {
            // The last one is open: a leaf grows.
            long to =
                step == LeafRange.OPEN || from + step >= blocks ? LeafRange.OPEN : from + step;
            chunk.add(new LeafRange(leaf, filenode, from, to));
            filled += (double) Math.min(step, blocks - from) / most;
            if (filled >= 1) {
              splits.add(split(table, splits.size(), chunk));
              chunk.clear();
              filled = 0;
            }
            if (to == LeafRange.OPEN) {
              break;
            }
          }
        }
      }
    }
    if (!chunk.isEmpty()) {
      splits.add(split(table, splits.size(), chunk));
    }
    return splits;
  }

  private static SnapshotSplit split(TableId table, int number, List<LeafRange> ranges) {
    return new SnapshotSplit(
        table, number, BOUNDS, LeafRange.toStart(ranges), null, null, schema(table));
  }

  @Override
  public void open() {
    // Each table gets a connection of its own.
  }

  @Override
  public boolean hasNextChunk() {
    return false;
  }

  @Override
  public ChunkSplitterState snapshotState(long checkpointId) {
    return ChunkSplitterState.NO_SPLITTING_TABLE_STATE;
  }

  @Override
  public TableId getCurrentSplittingTableId() {
    return null;
  }

  @Override
  public void close() {
    // Nothing stays open between two tables.
  }
}
