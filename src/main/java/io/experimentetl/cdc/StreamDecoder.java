package io.experimentetl.cdc;

import io.experimentetl.cdc.MappedColumn.MappedFilter.Match;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.pgoutput.PgOutputHandler;
import io.experimentetl.postgres.pgoutput.PgOutputParser;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.Tuple;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.apache.flink.types.Either;

/**
 * Turns messages of the replication stream into {@link Change}s without a sequence number, and into
 * notices: of what rows come without, of drifted columns before the first row that has them, and of
 * the end of a transaction behind its rows. A transaction that only inserted rows gets no such
 * notice: nothing in it is judged by its end, and single-row inserts are what a platform does most.
 * One instance reads one slot, whose streams follow one another.
 */
final class StreamDecoder implements PgOutputHandler {

  /**
   * A captured table, as its rows are sent now.
   *
   * @param next another binding of the same table; null: none
   */
  private record Bound(SourceTable table, TupleRowReader reader, Bound next) {}

  private final PgOutputParser parser = new PgOutputParser(this);
  private final SourceMapping mapping;
  private final IntFunction<ValueFormat> formats;
  private final Consumer<Either<ReaderNotice, Change>> output;
  private final Map<Integer, Bound> captured = new HashMap<>();
  private Relation lastRelation;
  private Bound lastBound;
  private final DriftedColumns driftedColumns = new DriftedColumns();
  private final List<SchemaDrift> unreported = new ArrayList<>();

  /** LSN of the message that is read. */
  private long lsn;

  /** The end of the last commit; 0: none since the start. */
  private long lastCommit;

  private boolean inTransaction;
  private long txId;
  private long committedAt;
  private long lastRowLsn;
  private int indexAtLsn;
  private boolean endMatters;
  private boolean binary;

  /** The open transaction's rows so far, and those of them that were passed on before. */
  private long rows;

  private long rowsToSkip;

  /**
   * Reads nothing yet.
   *
   * @param mapping the captured tables
   * @param formats by a type's OID; null: the catalogue no longer has the type
   */
  StreamDecoder(
      SourceMapping mapping,
      IntFunction<ValueFormat> formats,
      Consumer<Either<ReaderNotice, Change>> output) {
    this.mapping = mapping;
    this.formats = formats;
    this.output = output;
  }

  /**
   * Begins a stream, the first one or the next. The next one must begin with the transaction that
   * was open, whose rows up to here are skipped.
   *
   * @param inBinary whether values come in the binary forms of their types
   */
  void startStream(boolean inBinary) {
    binary = inBinary;
    rowsToSkip = inTransaction ? rows : 0;
    inTransaction = false;
  }

  /**
   * Reads a message.
   *
   * @param atLsn where it lies in the WAL; of a commit its end
   * @throws BinaryFormException the stream must be read as text
   */
  void decode(ByteBuffer message, long atLsn) {
    lsn = atLsn;
    parser.parse(message);
  }

  /** The end of the last commit; 0: none since the start. */
  long lastCommit() {
    return lastCommit;
  }

  boolean isInTransaction() {
    return inTransaction;
  }

  @Override
  public void begin(long commitLsn, long committedAtMicros, int xid) {
    inTransaction = true;
    txId = Integer.toUnsignedLong(xid);
    committedAt = committedAtMicros;
    lastRowLsn = 0;
    endMatters = false;
    rows = 0;
  }

  @Override
  public void commit(long endLsn) {
    inTransaction = false;
    rowsToSkip = 0;
    lastCommit = endLsn;
    if (endMatters) {
      output.accept(Either.Left(ReaderNotice.of(new ReaderProgress(false, endLsn, endLsn))));
    }
  }

  @Override
  public void relation(Relation relation) {
    Bound bound = null;
    List<TableBinding> bindings = mapping.reading(relation.schema(), relation.table());
    for (int i = bindings.size() - 1; i >= 0; i--) {
      bound = new Bound(bindings.get(i).table(), reader(bindings.get(i), relation), bound);
    }
    if (bound == null) {
      captured.remove(relation.id());
      report(StreamGap.ofRows(Integer.toUnsignedLong(relation.id())));
    } else {
      captured.put(relation.id(), bound);
    }
  }

  private TupleRowReader reader(TableBinding binding, Relation relation) {
    TupleRowReader reader = new TupleRowReader(binding, relation, formats);
    String unreadable = reader.columnWithoutBinaryForm();
    if (binary && unreadable != null) {
      throw new BinaryFormException(
          "The binary form of the column "
              + relation.table()
              + "."
              + unreadable
              + " is not known.");
    }
    for (String column : reader.missing()) {
      report(new StreamGap(Integer.toUnsignedLong(relation.id()), column));
    }
    unreported.addAll(driftedColumns.of(reader, committedAt));
    return reader;
  }

  /** At once: the rows behind it may not be passed on. */
  private void report(StreamGap gap) {
    output.accept(Either.Left(ReaderNotice.of(gap)));
  }

  /** The captured table, or null. */
  // Rows name the same instance until the relation changes.
  @SuppressWarnings("ReferenceEquality")
  private Bound bound(Relation relation) {
    if (relation != lastRelation) {
      lastRelation = relation;
      lastBound = captured.get(relation.id());
    }
    return lastBound;
  }

  @Override
  public void insert(Relation relation, Tuple row) {
    for (Bound bound = bound(relation); bound != null; bound = bound.next) {
      if (bound.reader.match(row, null) != Match.NO) {
        insert(bound, row, null);
      }
    }
  }

  /**
   * Sends a row that begins to be read.
   *
   * @param unsentFrom see {@link #send}
   */
  private void insert(Bound bound, Tuple row, Tuple unsentFrom) {
    if (bound.reader.erases(row, unsentFrom)) {
      endMatters = true;
      send(bound, ChangeKind.ERASE, row, null, null);
    } else {
      send(bound, ChangeKind.INSERT, null, row, unsentFrom);
    }
  }

  @Override
  public void update(Relation relation, Tuple old, Tuple row) {
    for (Bound bound = bound(relation); bound != null; bound = bound.next) {
      endMatters = true;
      if (bound.reader.isFiltered()) {
        updateFiltered(bound, old, row);
      } else {
        update(bound, old, row);
      }
    }
  }

  private void updateFiltered(Bound bound, Tuple old, Tuple row) {
    ChangeKind kind =
        FilteredChange.kind(
            ChangeKind.UPDATE,
            old == null ? null : bound.reader.match(old, null),
            bound.reader.match(row, old));
    if (kind == ChangeKind.UPDATE) {
      update(bound, old, row);
    } else if (kind == ChangeKind.INSERT) {
      insert(bound, row, old);
    } else if (kind == ChangeKind.DELETE && old != null && bound.reader.hasPartOfKey(old)) {
      send(bound, kind, old, null, null);
    } else if (kind == ChangeKind.DELETE) {
      // The key did not change: the new row has it too.
      send(bound, kind, row, null, null);
    }
  }

  /**
   * Without the whole old row, a changed key is two changes at one position, as in Debezium's
   * records: the old row can be deleted, but not be compared with the new one. Where the replica
   * identity is an index without the key, the old row says nothing that can be used.
   */
  private void update(Bound bound, Tuple old, Tuple row) {
    List<ChangeKind> erasing = erasingChanges(bound.reader, old, row);
    if (erasing != null) {
      for (ChangeKind kind : erasing) {
        switch (kind) {
          case DELETE -> send(bound, kind, old, null, null);
          case ERASE -> send(bound, kind, row, null, null);
          default -> send(bound, kind, null, row, old);
        }
      }
      return;
    }
    if (old == null || !old.isKeyOnly()) {
      send(bound, ChangeKind.UPDATE, old, row, old);
    } else if (!bound.reader.hasPartOfKey(old)) {
      send(bound, ChangeKind.UPDATE, null, row, old);
    } else if (bound.reader.isKeyChanged(old, row)) {
      send(bound, ChangeKind.KEY_CHANGE, old, null, null);
      // A large part of the key that did not change is sent with the old row only.
      send(bound, ChangeKind.INSERT, null, row, old);
    } else {
      send(bound, ChangeKind.UPDATE, old, row, old);
    }
  }

  /** See {@link ErasingUpdate#changes}. */
  private static List<ChangeKind> erasingChanges(TupleRowReader reader, Tuple old, Tuple row) {
    return reader.mayErase()
        ? ErasingUpdate.changes(
            old != null && reader.erases(old, null),
            reader.erases(row, old),
            old != null && reader.isKeyChanged(old, row))
        : null;
  }

  @Override
  public void delete(Relation relation, Tuple old) {
    for (Bound bound = bound(relation); bound != null; bound = bound.next) {
      endMatters = true;
      if (bound.reader.match(old, null) != Match.NO) {
        send(bound, ChangeKind.DELETE, old, null, null);
      }
    }
  }

  @Override
  public void truncate(List<Relation> relations) {
    Set<SourceTable> truncated = EnumSet.noneOf(SourceTable.class);
    for (Relation relation : relations) {
      for (Bound bound = bound(relation); bound != null; bound = bound.next) {
        endMatters = true;
        if (bound.table == SourceTable.REPLICATED || truncated.add(bound.table)) {
          send(bound, ChangeKind.TRUNCATE, null, null, null);
        }
      }
    }
  }

  /**
   * Sends a change.
   *
   * @param unsentFrom has the large values that the new row lacks; null: it lacks none
   */
  private void send(Bound bound, ChangeKind kind, Tuple old, Tuple row, Tuple unsentFrom) {
    for (SchemaDrift drift : unreported) {
      output.accept(Either.Left(ReaderNotice.of(drift)));
    }
    unreported.clear();
    SourceRow before =
        kind == ChangeKind.TRUNCATE
            ? truncated(bound)
            : old == null ? null : bound.reader.readOld(old);
    SourceRow after = row == null ? null : bound.reader.read(row, unsentFrom);
    boolean isWhole = old != null && !old.isKeyOnly();
    if (bound.reader.listed() == null || kind == ChangeKind.TRUNCATE) {
      emit(bound.table, kind, before, after, isWhole);
    } else {
      for (ListedRows.Change listed : bound.reader.listed().changes(kind, before, after)) {
        emit(bound.table, listed.kind(), listed.before(), listed.after(), isWhole);
      }
    }
  }

  private void emit(
      SourceTable table, ChangeKind kind, SourceRow before, SourceRow after, boolean isWhole) {
    indexAtLsn = lsn == lastRowLsn ? indexAtLsn + 1 : 0;
    lastRowLsn = lsn;
    if (++rows <= rowsToSkip) {
      return;
    }
    output.accept(
        Either.Right(
            new Change(
                table,
                kind,
                0,
                new SourcePosition(lastCommit, lsn, txId, indexAtLsn, committedAt),
                before,
                after,
                isWhole && before != null)));
  }

  /** Names a table that is copied as it is; null: the change names its table. */
  private static SourceRow truncated(Bound bound) {
    if (bound.table != SourceTable.REPLICATED) {
      return null;
    }
    Origin name = bound.reader.binding().columns().get(ReplicatedRow.TABLE).origin();
    String table = ((Origin.Constant) name).value();
    return ReplicatedRow.ofKey(table, table);
  }

  /** A value of a captured column has a binary form that is not known. */
  static final class BinaryFormException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private BinaryFormException(String message) {
      super(message);
    }
  }
}
