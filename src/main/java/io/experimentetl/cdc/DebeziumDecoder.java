package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Json;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * Turns Debezium's JSON envelopes without schemas into {@link Change}s without a sequence number. A
 * record that is no envelope becomes an {@link UnreadableRow}. A record without a place in commit
 * order gets the place of the record before it in its partition, so one instance reads one source.
 */
final class DebeziumDecoder {
  private static final ObjectMapper JSON =
      JsonMapper.builder(Json.FACTORY.copy())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /** The small tables first, so that facts rarely wait for what they refer to. */
  private static final List<SourceTable> SNAPSHOT_ORDER = List.of(SourceTable.values());

  /** The part of a broken record that a finding names in a column's place. */
  private static final String WHOLE = "(the whole record)";

  /** Debezium makes a delete and an insert of a changed primary key; the delete has this header. */
  static final String NEW_KEY_HEADER = "__debezium.newkey";

  private final Map<String, JsonRowReader> readers = new HashMap<>();
  private final DriftedColumns driftedColumns = new DriftedColumns();
  private final Map<TopicPartition, DebeziumRecord> last = new HashMap<>();

  DebeziumDecoder(KafkaSourceSettings settings) {
    for (String topic : settings.topics()) {
      readers.put(topic, new JsonRowReader(settings.table(topic)));
    }
  }

  DebeziumRecord decode(ConsumerRecord<byte[], byte[]> record) {
    JsonRowReader reader = readers.get(record.topic());
    SourceTable table = reader.binding().table();
    DebeziumRecord decoded;
    try {
      decoded = record.value() == null ? placed(record, "", null) : envelope(reader, record);
    } catch (BrokenRecordException e) {
      decoded =
          placed(
              record,
              "",
              new Change(
                  table,
                  ChangeKind.READ,
                  0,
                  new SourcePosition(0, 0, 0, 0, record.timestamp() * 1000),
                  null,
                  new UnreadableRow(
                      table,
                      Subject.kafkaRecord(record.topic(), record.partition(), record.offset()),
                      null,
                      FindingCode.S_UNPARSEABLE,
                      WHOLE,
                      e.getMessage())));
    }
    last.put(decoded.partition(), decoded);
    return decoded;
  }

  /** A record without a place in commit order takes the place of the record before it. */
  private DebeziumRecord placed(ConsumerRecord<byte[], byte[]> record, String key, Change change) {
    TopicPartition partition = new TopicPartition(record.topic(), record.partition());
    DebeziumRecord before = last.get(partition);
    return new DebeziumRecord(
        partition,
        record.offset(),
        before == null ? -1 : before.commitBefore(),
        before == null ? 0 : before.within(),
        key,
        List.of(),
        change);
  }

  private DebeziumRecord envelope(JsonRowReader reader, ConsumerRecord<byte[], byte[]> record)
      throws BrokenRecordException {
    TableBinding binding = reader.binding();
    JsonNode root = parsed(record.value());
    if (root.has("schema") && root.has("payload")) {
      throw new BrokenRecordException(
          "It has a schema: set value.converter.schemas.enable=false in the connector.");
    }
    JsonNode source = root.path("source");
    if (!root.has("op") || !source.isObject()) {
      throw new BrokenRecordException(
          "It is no envelope of Debezium (before, after, source, op): remove what unwraps it (ExtractNewRecordState).");
    }
    if (!source.path("connector").asText().equals("postgresql")) {
      throw new BrokenRecordException("It is not of Debezium's PostgreSQL connector.");
    }
    ChangeKind kind = kind(root.path("op").asText());
    if (record.key() == null && kind != ChangeKind.TRUNCATE) {
      throw new BrokenRecordException(
          "It has no key, so its order is not kept: the table needs a primary key, and the connector must send it.");
    }
    JsonNode sentBefore = root.path("before");
    JsonNode after = root.path("after");
    requireRow(kind, sentBefore, after);
    JsonNode before =
        sentBefore.isObject() ? KeyOnlyRow.of(binding, key(record.key()), sentBefore) : sentBefore;
    long committedAt = Math.multiplyExact(number(source, "ts_ms"), 1000L);
    boolean snapshot = kind == ChangeKind.READ;
    long lsn = snapshot ? 0 : number(source, "lsn");
    long commitBefore = snapshot ? -1 : commitBefore(source.path("sequence"));
    List<SchemaDrift> drifts =
        after.isObject() ? driftedColumns.of(binding, after, committedAt) : List.of();
    SourcePosition position =
        new SourcePosition(
            Math.max(0, commitBefore), lsn, snapshot ? 0 : number(source, "txId"), 0, committedAt);
    return new DebeziumRecord(
        new TopicPartition(record.topic(), record.partition()),
        record.offset(),
        commitBefore,
        snapshot ? SNAPSHOT_ORDER.indexOf(binding.table()) : lsn,
        keyOf(binding, record.key()),
        drifts,
        change(
            reader,
            kind == ChangeKind.DELETE && record.headers().lastHeader(NEW_KEY_HEADER) != null
                ? ChangeKind.KEY_CHANGE
                : kind,
            position,
            before.isObject() ? before : null,
            after.isObject() ? after : null));
  }

  /** The change of the rows that are read; null: none of them is. */
  private static Change change(
      JsonRowReader reader, ChangeKind kind, SourcePosition position, JsonNode old, JsonNode row) {
    ChangeKind read =
        kind == ChangeKind.TRUNCATE
            ? kind
            : FilteredChange.kind(
                kind,
                old == null ? null : reader.match(old, null),
                row == null ? null : reader.match(row, old));
    if (read == null) {
      return null;
    }
    if (reader.mayErase() && row != null && read != ChangeKind.DELETE) {
      // Debezium deletes and inserts a row whose primary key changes: an update names one user.
      List<ChangeKind> erasing =
          ErasingUpdate.changes(
              read == ChangeKind.UPDATE && old != null && reader.erases(old, null),
              reader.erases(row, old),
              false);
      if (erasing != null) {
        return erasing.isEmpty() ? null : erasing(reader, position, erasing.get(0), row, old);
      }
    }
    // Without the old row, the new one has the key of what is no longer read.
    JsonNode before = read == ChangeKind.INSERT || read == ChangeKind.READ ? null : old;
    JsonNode deleted = before == null && read == ChangeKind.DELETE ? row : before;
    return new Change(
        reader.binding().table(),
        read,
        0,
        position,
        deleted == null ? null : reader.readOld(deleted),
        row == null || read == ChangeKind.DELETE ? null : reader.read(row, old),
        before != null && !KeyOnlyRow.isMarked(before));
  }

  /** The ERASE of a row that erases its user now, or the INSERT of one that did. */
  private static Change erasing(
      JsonRowReader reader, SourcePosition position, ChangeKind kind, JsonNode row, JsonNode old) {
    SourceTable table = reader.binding().table();
    return kind == ChangeKind.ERASE
        ? new Change(table, kind, 0, position, reader.readOld(row), null)
        : new Change(table, kind, 0, position, null, reader.read(row, old));
  }

  /** The columns of the primary key. A key in another form than JSON names none. */
  private static JsonNode key(byte[] key) {
    try {
      JsonNode root = JSON.readTree(key);
      return root.has("schema") && root.path("payload").isObject() ? root.path("payload") : root;
    } catch (IOException e) {
      return MissingNode.getInstance();
    }
  }

  private static void requireRow(ChangeKind kind, JsonNode before, JsonNode after)
      throws BrokenRecordException {
    switch (kind) {
      case TRUNCATE -> {
        // It is a change of all rows, and shows none of them.
      }
      case DELETE -> {
        if (!before.isObject()) {
          throw new BrokenRecordException(
              "Its row is missing: the table needs REPLICA IDENTITY FULL (sql/postgres/002_etl.sql).");
        }
      }
      default -> {
        if (!after.isObject()) {
          throw new BrokenRecordException("Its row is missing.");
        }
      }
    }
  }

  /** Table and primary key. A truncate has no primary key; no row's key is empty. */
  private static String keyOf(TableBinding table, byte[] key) {
    return table.entry() + (key == null ? "" : new String(key, StandardCharsets.UTF_8));
  }

  private static JsonNode parsed(byte[] value) throws BrokenRecordException {
    try {
      JsonNode root = JSON.readTree(value);
      if (root.isObject()) {
        return root;
      }
    } catch (IOException e) {
      throw new BrokenRecordException(
          "It can't be read as JSON: set value.converter=org.apache.kafka.connect.json.JsonConverter in the connector.");
    }
    throw new BrokenRecordException("It is not a JSON object.");
  }

  private static ChangeKind kind(String operation) throws BrokenRecordException {
    return switch (operation) {
      case "r" -> ChangeKind.READ;
      case "c" -> ChangeKind.INSERT;
      case "u" -> ChangeKind.UPDATE;
      case "d" -> ChangeKind.DELETE;
      case "t" -> ChangeKind.TRUNCATE;
      default -> throw new BrokenRecordException("Its operation is none of r, c, u, d, t.");
    };
  }

  private static long number(JsonNode source, String name) throws BrokenRecordException {
    JsonNode value = source.path(name);
    if (!value.canConvertToLong() || !value.isIntegralNumber()) {
      throw new BrokenRecordException("Its source has no number " + name + ".");
    }
    return value.longValue();
  }

  /** The first of {@code ["LSN of the last commit", "LSN of the row"]}; 0: none yet. */
  private static long commitBefore(JsonNode sequence) throws BrokenRecordException {
    try {
      JsonNode both = JSON.readTree(sequence.asText());
      if (both.isArray() && both.size() == 2) {
        return both.get(0).isNull() ? 0 : Long.parseLong(both.get(0).asText());
      }
    } catch (IOException | NumberFormatException e) {
      throw new BrokenRecordException("Its source.sequence can't be read.");
    }
    throw new BrokenRecordException("Its source has no sequence: Debezium 1.9 or newer is needed.");
  }

  /** Control flow inside this class: a bad record is data, not an error. */
  private static final class BrokenRecordException extends Exception {
    private static final long serialVersionUID = 1L;

    private BrokenRecordException(String reason) {
      super(reason, null, false, false);
    }
  }
}
