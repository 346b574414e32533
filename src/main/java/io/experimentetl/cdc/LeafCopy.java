package io.experimentetl.cdc;

import io.experimentetl.cdc.MappedColumn.MappedFilter.Match;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.pgoutput.CopyParser;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.Tuple;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.types.Either;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyOut;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads ranges of a table's leaves over one connection, by COPY in the binary format.
 *
 * <p>The rows of a partition are read through its root, as the role need not have rights on the
 * partitions: the partition's constraint leads the planner to it, and its OID selects the rows.
 */
final class LeafCopy implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LeafCopy.class);

  /** No row: the leaf is gone, or no partition of the table any more. */
  private static final String LEAF =
      """
      SELECT coalesce(pg_relation_filenode(c.oid), 0)::bigint, c.oid <> root.oid,
          CASE WHEN c.oid <> root.oid THEN pg_get_partition_constraintdef(c.oid) END,
          (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
      FROM pg_class c, pg_class root
      WHERE c.oid = ?::oid AND root.oid = format('%I.%I', ?::text, ?::text)::regclass
          AND (c.oid = root.oid OR EXISTS (SELECT FROM pg_partition_ancestors(c.oid) a WHERE a.relid = root.oid))""";

  private static final String COLUMNS =
      """
      SELECT a.attname, a.atttypid::bigint, coalesce(p.proname, '-')
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_proc p ON p.oid = t.typsend
      WHERE a.attrelid = format('%I.%I', ?::text, ?::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped AND (a.attgenerated = '' OR NOT ?)
      ORDER BY a.attnum""";

  private record Leaf(long filenode, boolean isPartition, String constraint, long readAt) {}

  private final Connection connection;
  private final String schema;
  private final String table;
  private final List<TableBinding> bindings;
  private final SnapshotMemory memory;
  private final StreamBatches batches;

  /**
   * Reads over the connection, which it owns from now on.
   *
   * @param bindings that read the table, which is the same in all of them
   */
  LeafCopy(
      Connection connection,
      List<TableBinding> bindings,
      SnapshotMemory memory,
      StreamBatches batches) {
    this.connection = connection;
    this.bindings = bindings;
    this.schema = bindings.get(0).schema();
    this.table = bindings.get(0).name();
    this.memory = memory;
    this.batches = batches;
  }

  /**
   * Reads a range. A leaf whose rows lie at other places than when it was divided is read whole,
   * once for all of its ranges: VACUUM FULL or CLUSTER has rewritten it.
   *
   * @throws SQLException the connection is lost, or the server refuses
   */
  void read(LeafRange range) throws SQLException, InterruptedException {
    connection.setAutoCommit(false);
    LeafRange next = range;
    Leaf leaf = leaf(range.leaf());
    boolean isWanted = leaf != null;
    if (isWanted && !range.isWhole() && leaf.filenode != range.filenode()) {
      next = LeafRange.whole(range.leaf(), leaf.filenode);
      isWanted = isToBeReadAgain(next);
    }
    while (isWanted) {
      copy(leaf, next);
      // From the first copy's beginning to the transaction's end nobody can rewrite the leaf.
      Leaf after = leaf(range.leaf());
      next = LeafRange.whole(range.leaf(), after == null ? 0 : after.filenode);
      isWanted = after != null && after.filenode != leaf.filenode && isToBeReadAgain(next);
      leaf = after;
    }
    connection.commit();
    batches.handOver(0);
  }

  private boolean isToBeReadAgain(LeafRange whole) {
    boolean claimed = memory.claim(whole.leaf(), whole.filenode());
    if (claimed) {
      LOG.info(
          "A part of {}.{} was rewritten while the snapshot was read; it is read again.",
          schema,
          table);
    }
    return claimed;
  }

  private Leaf leaf(long oid) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(LEAF)) {
      statement.setLong(1, oid);
      statement.setString(2, schema);
      statement.setString(3, table);
      try (ResultSet row = statement.executeQuery()) {
        return row.next()
            ? new Leaf(row.getLong(1), row.getBoolean(2), row.getString(3), row.getLong(4))
            : null;
      }
    }
  }

  private void copy(Leaf leaf, LeafRange range) throws SQLException, InterruptedException {
    Columns columns = columns();
    Relation relation = new Relation(0, schema, table, columns.sent);
    List<TupleRowReader> readers = new ArrayList<>();
    for (TableBinding binding : bindings) {
      TupleRowReader reader = new TupleRowReader(binding, relation, columns.formats::get);
      readers.add(reader);
      for (SchemaDrift drift : memory.unreported(reader, leaf.readAt)) {
        batches.add(Either.Left(ReaderNotice.of(drift)));
      }
    }
    SourcePosition position = new SourcePosition(0, 0, 0, 0, leaf.readAt);
    CopyParser parser = new CopyParser(columns.isText());
    CopyOut copy =
        connection
            .unwrap(PGConnection.class)
            .getCopyAPI()
            .copyOut(statement(leaf, range, columns.expressions));
    for (byte[] message = copy.readFromCopy(); message != null; message = copy.readFromCopy()) {
      batches.addBytes(message.length);
      parser.parse(message, row -> read(row, readers, position));
      if (batches.isFull()) {
        batches.handOver(0);
      }
    }
  }

  private void read(Tuple row, List<TupleRowReader> readers, SourcePosition position) {
    for (TupleRowReader reader : readers) {
      if (reader.match(row, null) != Match.NO) {
        SourceTable kind = reader.binding().table();
        if (reader.listed() != null) {
          for (ListedRows.Change listed :
              reader.listed().changes(ChangeKind.READ, null, reader.read(row, null))) {
            batches.add(
                Either.Right(new Change(kind, ChangeKind.READ, 0, position, null, listed.after())));
          }
          continue;
        }
        batches.add(
            Either.Right(
                reader.erases(row, null)
                    ? new Change(kind, ChangeKind.ERASE, 0, position, reader.readOld(row), null)
                    : new Change(
                        kind, ChangeKind.READ, 0, position, null, reader.read(row, null))));
      }
    }
  }

  private String statement(Leaf leaf, LeafRange range, List<String> expressions) {
    List<String> conditions = new ArrayList<>();
    if (leaf.isPartition) {
      conditions.add("tableoid = " + range.leaf());
      if (leaf.constraint != null) {
        conditions.add("(" + leaf.constraint + ")");
      }
    }
    if (range.from() > 0) {
      conditions.add("ctid >= '(" + range.from() + ",0)'");
    }
    if (range.to() != LeafRange.OPEN) {
      conditions.add("ctid < '(" + range.to() + ",0)'");
    }
    return "COPY (SELECT "
        + String.join(", ", expressions)
        + " FROM "
        + (leaf.isPartition ? "" : "ONLY ")
        + SourceServer.quoted(schema)
        + "."
        + SourceServer.quoted(table)
        + (conditions.isEmpty() ? "" : " WHERE " + String.join(" AND ", conditions))
        + ") TO STDOUT (FORMAT binary)";
  }

  /** The columns that are mapped and exist, with what COPY sends of them. */
  private record Columns(
      List<Relation.Column> sent, Map<Integer, ValueFormat> formats, List<String> expressions) {

    private boolean[] isText() {
      boolean[] isText = new boolean[sent.size()];
      for (int i = 0; i < isText.length; i++) {
        isText[i] = !formats.get(sent.get(i).type()).isReadInBinary();
      }
      return isText;
    }
  }

  private Columns columns() throws SQLException {
    Set<String> mapped = new HashSet<>();
    bindings.forEach(binding -> mapped.addAll(binding.sourceColumns()));
    boolean all = bindings.stream().anyMatch(binding -> binding.table() == SourceTable.REPLICATED);
    Columns columns = new Columns(new ArrayList<>(), new HashMap<>(), new ArrayList<>());
    try (PreparedStatement statement = connection.prepareStatement(COLUMNS)) {
      statement.setString(1, schema);
      statement.setString(2, table);
      statement.setBoolean(3, all);
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          if (all || mapped.contains(row.getString(1))) {
            int type = (int) row.getLong(2);
            ValueFormat format = ValueFormat.ofSendFunction(row.getString(3));
            String name = SourceServer.quoted(row.getString(1));
            columns.sent.add(new Relation.Column(row.getString(1), type));
            columns.formats.put(type, format);
            // As the type prints it: a cast may differ, and a composite of NULLs is not NULL.
            columns.expressions.add(
                format.isReadInBinary()
                    ? name
                    : "CASE WHEN "
                        + name
                        + " IS DISTINCT FROM NULL THEN format('%s', "
                        + name
                        + ") END");
          }
        }
      }
    }
    return columns;
  }

  /** Ends a {@link #read} of another thread. */
  void abort() throws SQLException {
    connection.abort(Runnable::run);
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
