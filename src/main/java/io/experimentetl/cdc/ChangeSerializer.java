package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowColumns;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import io.experimentetl.model.TransactionEnd;
import io.experimentetl.model.UnreadableRow;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * Writes changes for the tasks of one job: columns in the order of their declaration, without
 * names; texts as length and UTF-8. Both ends are the same build, so enums are written as ordinals
 * and there is no version. It must not be used for state.
 */
@SuppressWarnings("EnumOrdinal")
public final class ChangeSerializer extends TypeSerializerSingleton<Change> {
  private static final long serialVersionUID = 1L;

  public static final ChangeSerializer INSTANCE = new ChangeSerializer();

  private static final SourceTable[] TABLES = SourceTable.values();
  private static final ChangeKind[] KINDS = ChangeKind.values();
  private static final FindingCode[] CODES = FindingCode.values();
  private static final SubjectKind[] SUBJECT_KINDS = SubjectKind.values();

  private static final int ABSENT = 0;
  private static final int READABLE = 1;
  private static final int UNREADABLE = 2;
  private static final int TRANSACTION_END = 3;

  /** In a table's place: the change is of no table. */
  private static final int NO_TABLE = 0x7F;

  private static final int BEFORE_WHOLE = 0x80;

  private static final ThreadLocal<Labels> LABELS = ThreadLocal.withInitial(Labels::new);

  private ChangeSerializer() {}

  @Override
  public void serialize(Change change, DataOutputView target) throws IOException {
    target.writeByte(
        (change.table() == null ? NO_TABLE : change.table().ordinal())
            | (change.isBeforeWhole() ? BEFORE_WHOLE : 0));
    // kind in bits 0-3, before in 4-5, after in 6-7
    target.writeByte(
        change.kind().ordinal()
            | (presence(change.before()) << 4)
            | (presence(change.after()) << 6));
    writeText(change.userKey(), target);
    target.writeLong(change.sequenceNumber());
    SourcePosition position = change.position();
    target.writeLong(position.previousCommitLsn());
    target.writeLong(position.lsn());
    target.writeLong(position.txId());
    target.writeInt(position.indexAtLsn());
    target.writeLong(position.committedAt());
    writeRow(change.table(), change.before(), target);
    writeRow(change.table(), change.after(), target);
  }

  @Override
  public Change deserialize(DataInputView source) throws IOException {
    int first = source.readUnsignedByte();
    SourceTable table = (first & NO_TABLE) == NO_TABLE ? null : TABLES[first & NO_TABLE];
    int kindAndRows = source.readUnsignedByte();
    ChangeKind kind = KINDS[kindAndRows & 0xF];
    String userKey = readText(source);
    long sequenceNumber = source.readLong();
    SourcePosition position =
        new SourcePosition(
            source.readLong(),
            source.readLong(),
            source.readLong(),
            source.readInt(),
            source.readLong());
    Change change =
        new Change(
            table,
            kind,
            sequenceNumber,
            position,
            readRow(table, (kindAndRows >> 4) & 3, source),
            readRow(table, (kindAndRows >> 6) & 3, source),
            (first & BEFORE_WHOLE) != 0);
    return userKey == null ? change : change.underUserKey(userKey);
  }

  private static int presence(SourceRow row) {
    if (row == null) {
      return ABSENT;
    }
    if (row instanceof TransactionEnd) {
      return TRANSACTION_END;
    }
    return row instanceof UnreadableRow ? UNREADABLE : READABLE;
  }

  private static void writeRow(SourceTable table, SourceRow row, DataOutputView target)
      throws IOException {
    if (row == null) {
      return;
    }
    if (row instanceof UnreadableRow unreadable) {
      target.writeByte(unreadable.table().ordinal());
      target.writeByte(unreadable.subject().kind().ordinal());
      writeText(unreadable.subject().key(), target);
      writeText(unreadable.eventId() == null ? null : unreadable.eventId().text(), target);
      target.writeByte(unreadable.code().ordinal());
      writeText(unreadable.column(), target);
      writeText(unreadable.reason(), target);
    } else if (row instanceof TransactionEnd end) {
      writeText(end.userKey(), target);
      target.writeBoolean(end.ofAllUsers());
    } else if (row instanceof EventRow event) {
      writeEvent(event, target);
    } else {
      writeColumns(table.columns(), row, target);
    }
  }

  /** As {@link #writeColumns}: most rows are events, and a declared column's values are boxed. */
  private static void writeEvent(EventRow event, DataOutputView target) throws IOException {
    target.writeLong(event.id().high());
    target.writeLong(event.id().low());
    writeText(event.id().sourceId(), target);
    target.writeLong(event.occurredAt());
    target.writeLong(event.experimentId());
    writeText(event.userId(), target);
    writeNumber(event.variantId(), target);
    writeText(event.eventType(), target);
    writeNumber(event.assignmentAt(), target);
    writeText(event.properties(), target);
    writeText(event.sessionId(), target);
    writeText(event.requestId(), target);
    writeText(event.deviceId(), target);
    writeText(event.fact(), target);
  }

  private static EventRow readEvent(DataInputView source) throws IOException {
    return new EventRow(
        new EventId(source.readLong(), source.readLong(), readText(source)),
        source.readLong(),
        source.readLong(),
        readText(source),
        readNumber(source),
        readLabel(source),
        readNumber(source),
        readText(source),
        readText(source),
        readText(source),
        readText(source),
        readLabel(source));
  }

  @SuppressWarnings("unchecked") // The rows of a table are of the type of its declaration.
  private static <R extends SourceRow> void writeColumns(
      RowColumns<R> columns, SourceRow row, DataOutputView target) throws IOException {
    for (SourceColumn<R> column : columns.all()) {
      Object value = column.of((R) row);
      switch (column.type()) {
        case EVENT_ID -> {
          EventId id = (EventId) value;
          target.writeLong(id.high());
          target.writeLong(id.low());
          writeText(id.sourceId(), target);
        }
        case BIGINT, TIMESTAMP -> {
          if (column.isNullable()) {
            writeNumber((Long) value, target);
          } else {
            target.writeLong((Long) value);
          }
        }
        case INT -> target.writeInt((Integer) value);
        case NUMBER -> target.writeDouble((Double) value);
        case TEXT, LABEL, JSON -> writeText((String) value, target);
        case BOOL -> target.writeBoolean((Boolean) value);
      }
    }
  }

  private static EventId eventId(String text) {
    return text == null ? null : EventId.of(text);
  }

  private static SourceRow readRow(SourceTable table, int presence, DataInputView source)
      throws IOException {
    if (presence == ABSENT) {
      return null;
    }
    if (presence == UNREADABLE) {
      return new UnreadableRow(
          TABLES[source.readUnsignedByte()],
          new Subject(SUBJECT_KINDS[source.readUnsignedByte()], readText(source)),
          eventId(readText(source)),
          CODES[source.readUnsignedByte()],
          readText(source),
          readText(source));
    }
    if (presence == TRANSACTION_END) {
      return new TransactionEnd(readText(source), source.readBoolean());
    }
    if (table == SourceTable.EVENTS) {
      return readEvent(source);
    }
    try {
      return table.columns().read(column -> readColumn(column, source));
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private static Object readColumn(SourceColumn<?> column, DataInputView source) {
    try {
      return switch (column.type()) {
        case EVENT_ID -> new EventId(source.readLong(), source.readLong(), readText(source));
        case BIGINT, TIMESTAMP ->
            column.isNullable() ? readNumber(source) : (Long) source.readLong();
        case INT -> source.readInt();
        case NUMBER -> source.readDouble();
        case TEXT, JSON -> readText(source);
        case LABEL -> readLabel(source);
        case BOOL -> source.readBoolean();
      };
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void writeNumber(Long number, DataOutputView target) throws IOException {
    target.writeBoolean(number != null);
    if (number != null) {
      target.writeLong(number);
    }
  }

  private static Long readNumber(DataInputView source) throws IOException {
    return source.readBoolean() ? (Long) source.readLong() : null;
  }

  /** Length + 1 in bytes, seven bits at a time, 0 for null; then UTF-8. */
  private static void writeText(String text, DataOutputView target) throws IOException {
    if (text == null) {
      target.writeByte(0);
      return;
    }
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int length = bytes.length + 1;
    while (length >= 0x80) {
      target.writeByte((length & 0x7F) | 0x80);
      length >>>= 7;
    }
    target.writeByte(length);
    target.write(bytes, 0, bytes.length);
  }

  private static String readText(DataInputView source) throws IOException {
    byte[] bytes = readBytes(source);
    return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
  }

  /** A text of which there are few: rows share the same object. */
  private static String readLabel(DataInputView source) throws IOException {
    byte[] bytes = readBytes(source);
    return bytes == null ? null : LABELS.get().of(bytes);
  }

  private static byte[] readBytes(DataInputView source) throws IOException {
    int length = 0;
    int shift = 0;
    int next;
    do {
      next = source.readUnsignedByte();
      length |= (next & 0x7F) << shift;
      shift += 7;
    } while (next >= 0x80);
    if (length == 0) {
      return null;
    }
    byte[] bytes = new byte[length - 1];
    source.readFully(bytes);
    return bytes;
  }

  @Override
  public boolean isImmutableType() {
    return true;
  }

  @Override
  public Change createInstance() {
    return null;
  }

  @Override
  public Change copy(Change from) {
    return from;
  }

  @Override
  public Change copy(Change from, Change reuse) {
    return from;
  }

  @Override
  public int getLength() {
    return -1;
  }

  @Override
  public Change deserialize(Change reuse, DataInputView source) throws IOException {
    return deserialize(source);
  }

  @Override
  public void copy(DataInputView source, DataOutputView target) throws IOException {
    serialize(deserialize(source), target);
  }

  @Override
  public TypeSerializerSnapshot<Change> snapshotConfiguration() {
    return new Snapshot();
  }

  /** Required by Flink: there is only one form. */
  public static final class Snapshot extends SimpleTypeSerializerSnapshot<Change> {
    public Snapshot() {
      super(() -> INSTANCE);
    }
  }
}
