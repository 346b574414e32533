package io.experimentetl.cdc;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.DriftedColumn;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * Changes between tasks of one job: fixed order, no names, strings as length and UTF-8. Both ends
 * are the same build, so enums travel as ordinals and there is no version in it: it must not be
 * used for state.
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
  private static final int COLUMN = 3;

  private ChangeSerializer() {}

  @Override
  public void serialize(Change change, DataOutputView target) throws IOException {
    // table in bits 0-2, before in 3-4, after in 5-6
    target.writeByte(
        change.table().ordinal()
            | (presence(change.before()) << 3)
            | (presence(change.after()) << 5));
    target.writeByte(change.kind().ordinal());
    target.writeLong(change.sequenceNumber());
    SourcePosition position = change.position();
    target.writeLong(position.previousCommitLsn());
    target.writeLong(position.lsn());
    target.writeLong(position.txId());
    target.writeInt(position.indexAtLsn());
    target.writeLong(position.committedAt());
    writeRow(change.before(), target);
    writeRow(change.after(), target);
  }

  @Override
  public Change deserialize(DataInputView source) throws IOException {
    int first = source.readUnsignedByte();
    SourceTable table = TABLES[first & 7];
    ChangeKind kind = KINDS[source.readUnsignedByte()];
    long sequenceNumber = source.readLong();
    SourcePosition position =
        new SourcePosition(
            source.readLong(),
            source.readLong(),
            source.readLong(),
            source.readInt(),
            source.readLong());
    return new Change(
        table,
        kind,
        sequenceNumber,
        position,
        readRow(table, (first >> 3) & 3, source),
        readRow(table, (first >> 5) & 3, source));
  }

  private static int presence(SourceRow row) {
    if (row == null) {
      return ABSENT;
    }
    return row instanceof UnreadableRow
        ? UNREADABLE
        : row instanceof DriftedColumn ? COLUMN : READABLE;
  }

  private static void writeRow(SourceRow row, DataOutputView target) throws IOException {
    if (row == null) {
      return;
    }
    if (row instanceof EventRow event) {
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
    } else if (row instanceof AssignmentRow assignment) {
      target.writeLong(assignment.id());
      target.writeLong(assignment.experimentId());
      writeText(assignment.userId(), target);
      target.writeLong(assignment.variantId());
      target.writeInt(assignment.version());
      writeText(assignment.source(), target);
      writeText(assignment.context(), target);
      target.writeLong(assignment.assignedAt());
      writeNumber(assignment.enrolledAt(), target);
      target.writeLong(assignment.createdAt());
      target.writeLong(assignment.updatedAt());
    } else if (row instanceof UserRow user) {
      writeText(user.userId(), target);
      writeText(user.email(), target);
      writeText(user.name(), target);
      writeText(user.properties(), target);
      target.writeBoolean(user.active());
      target.writeLong(user.createdAt());
      target.writeLong(user.updatedAt());
    } else if (row instanceof OutboxRow outbox) {
      target.writeLong(outbox.id());
      writeText(outbox.aggregateId(), target);
      writeText(outbox.aggregateType(), target);
      writeText(outbox.eventType(), target);
      writeText(outbox.payload(), target);
      target.writeLong(outbox.createdAt());
      writeNumber(outbox.processedAt(), target);
    } else if (row instanceof HeartbeatRow heartbeat) {
      writeText(heartbeat.writer(), target);
      target.writeLong(heartbeat.beatAt());
    } else if (row instanceof VariantRow variant) {
      target.writeLong(variant.id());
      target.writeLong(variant.experimentId());
      writeText(variant.key(), target);
      writeText(variant.name(), target);
      writeText(variant.description(), target);
      target.writeInt(variant.allocationPct());
      target.writeBoolean(variant.control());
      writeText(variant.config(), target);
      target.writeLong(variant.createdAt());
      target.writeLong(variant.updatedAt());
    } else if (row instanceof ExperimentRow experiment) {
      target.writeLong(experiment.id());
      writeText(experiment.key(), target);
      writeText(experiment.name(), target);
      writeText(experiment.description(), target);
      writeText(experiment.status(), target);
      writeText(experiment.seed(), target);
      target.writeInt(experiment.version());
      writeText(experiment.config(), target);
      writeNumber(experiment.startsAt(), target);
      writeNumber(experiment.endsAt(), target);
      target.writeLong(experiment.createdAt());
      target.writeLong(experiment.updatedAt());
    } else if (row instanceof UnreadableRow unreadable) {
      target.writeByte(unreadable.table().ordinal());
      target.writeByte(unreadable.subject().kind().ordinal());
      writeText(unreadable.subject().key(), target);
      writeText(unreadable.eventId() == null ? null : unreadable.eventId().text(), target);
      target.writeByte(unreadable.code().ordinal());
      writeText(unreadable.column(), target);
      writeText(unreadable.reason(), target);
    } else if (row instanceof DriftedColumn drifted) {
      writeText(drifted.column(), target);
      writeText(drifted.reason(), target);
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
    if (presence == COLUMN) {
      return new DriftedColumn(table, readText(source), readText(source));
    }
    return switch (table) {
      case EVENTS ->
          new EventRow(
              new EventId(source.readLong(), source.readLong(), readText(source)),
              source.readLong(),
              source.readLong(),
              readText(source),
              readNumber(source),
              readText(source),
              readNumber(source),
              readText(source),
              readText(source),
              readText(source));
      case ASSIGNMENTS ->
          new AssignmentRow(
              source.readLong(),
              source.readLong(),
              readText(source),
              source.readLong(),
              source.readInt(),
              readText(source),
              readText(source),
              source.readLong(),
              readNumber(source),
              source.readLong(),
              source.readLong());
      case USERS ->
          new UserRow(
              readText(source),
              readText(source),
              readText(source),
              readText(source),
              source.readBoolean(),
              source.readLong(),
              source.readLong());
      case OUTBOX_EVENTS ->
          new OutboxRow(
              source.readLong(),
              readText(source),
              readText(source),
              readText(source),
              readText(source),
              source.readLong(),
              readNumber(source));
      case ETL_HEARTBEAT -> new HeartbeatRow(readText(source), source.readLong());
      case VARIANTS ->
          new VariantRow(
              source.readLong(),
              source.readLong(),
              readText(source),
              readText(source),
              readText(source),
              source.readInt(),
              source.readBoolean(),
              readText(source),
              source.readLong(),
              source.readLong());
      case EXPERIMENTS ->
          new ExperimentRow(
              source.readLong(),
              readText(source),
              readText(source),
              readText(source),
              readText(source),
              readText(source),
              source.readInt(),
              readText(source),
              readNumber(source),
              readNumber(source),
              source.readLong(),
              source.readLong());
    };
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
    return new String(bytes, StandardCharsets.UTF_8);
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

  /** Required by Flink; says that there is only one form. */
  public static final class Snapshot extends SimpleTypeSerializerSnapshot<Change> {
    public Snapshot() {
      super(() -> INSTANCE);
    }
  }
}
