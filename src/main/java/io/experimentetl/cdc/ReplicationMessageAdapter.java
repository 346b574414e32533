package io.experimentetl.cdc;

import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;

/**
 * Rewrites messages of the plugin pgoutput (protocol version 1) so that Debezium's decoder keeps
 * what they say about a row. One instance reads one stream.
 *
 * <ul>
 *   <li>Without REPLICA IDENTITY FULL PostgreSQL sends the key alone as the old row, in a tuple of
 *       the kind K, and Debezium fills the other columns with 0, "" and 1970. Every relation gets
 *       the column {@link #SENT_COLUMNS}; only a tuple of the kind K has a value in it: the names
 *       of the columns that were sent.
 *   <li>A relation names a column's type by the OID at the time of the change. If the catalogue no
 *       longer has this type, Debezium drops the column. The OID of the declared type replaces it.
 * </ul>
 *
 * <p>Only relations and key tuples are copied; all other messages pass unchanged.
 */
public final class ReplicationMessageAdapter {

  /** Longer than any name of a column in PostgreSQL (63 bytes), so that it can be none. */
  static final String SENT_COLUMNS =
      "experiment_etl_columns_that_were_sent_in_an_old_row_which_is_only_a_key";

  /** Between the names in {@link #SENT_COLUMNS}: no text of PostgreSQL contains it. */
  static final char SEPARATOR = '\0';

  private static final int BOOL = 16;
  private static final int INT8 = 20;
  private static final int FLOAT8 = 701;
  private static final int TEXT = 25;
  private static final int TIMESTAMPTZ = 1184;

  private static final int NO_MODIFIER = -1;
  private static final int RELATION_ID_BYTES = 4;

  /** The column names of each relation, by its id. The server sends a relation before its rows. */
  private final Map<Integer, List<String>> relations = new HashMap<>();

  /**
   * Returns the message as the decoder shall read it: the same buffer, or a new one.
   *
   * @param isKnownType whether the catalogue has a type with this OID
   */
  public ByteBuffer adapt(ByteBuffer message, IntPredicate isKnownType) {
    int start = message.position();
    try {
      return switch (message.get(start)) {
        case 'R' -> relation(message, isKnownType);
        case 'U', 'D' ->
            message.get(start + 1 + RELATION_ID_BYTES) == 'K' ? keyTuple(message) : message;
        default -> message;
      };
    } catch (IOException e) {
      throw new UncheckedIOException("A message in memory could not be written.", e);
    } finally {
      message.position(start);
    }
  }

  private ByteBuffer relation(ByteBuffer message, IntPredicate isKnownType) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(message.remaining() + 128);
    DataOutputStream out = new DataOutputStream(bytes);
    out.writeByte(message.get());
    int relation = message.getInt();
    out.writeInt(relation);
    writeName(readName(message), out);
    String table = readName(message);
    writeName(table, out);
    out.writeByte(message.get());
    short columns = message.getShort();
    out.writeShort(columns + 1);
    List<String> names = new ArrayList<>(columns);
    for (int i = 0; i < columns; i++) {
      out.writeByte(message.get());
      String name = readName(message);
      names.add(name);
      writeName(name, out);
      int type = message.getInt();
      int modifier = message.getInt();
      int declared = isKnownType.test(type) ? type : declaredType(table, name, type);
      out.writeInt(declared);
      out.writeInt(declared == type ? modifier : NO_MODIFIER);
    }
    out.writeByte(0);
    writeName(SENT_COLUMNS, out);
    out.writeInt(TEXT);
    out.writeInt(NO_MODIFIER);
    relations.put(relation, names);
    return ByteBuffer.wrap(bytes.toByteArray());
  }

  /** The OID of the type that the column is declared with; the same OID if it is not declared. */
  private static int declaredType(String tableName, String columnName, int type) {
    SourceTable table = SourceTable.ofTableName(tableName);
    if (table == null) {
      return type;
    }
    return table.columns().all().stream()
        .filter(column -> column.name().equals(columnName))
        .findAny()
        .map(SourceColumn::type)
        .map(ReplicationMessageAdapter::oid)
        .orElse(type);
  }

  private static int oid(ColumnType type) {
    return switch (type) {
      case BIGINT, INT -> INT8;
      case NUMBER -> FLOAT8;
      case BOOL -> BOOL;
      case TIMESTAMP -> TIMESTAMPTZ;
      case EVENT_ID, TEXT, LABEL, JSON -> TEXT;
    };
  }

  private ByteBuffer keyTuple(ByteBuffer message) throws IOException {
    int start = message.position();
    List<String> names = relations.get(message.getInt(start + 1));
    if (names == null) {
      return message;
    }
    int tuple = start + 1 + RELATION_ID_BYTES + 1;
    message.position(tuple);
    short columns = message.getShort();
    StringBuilder sent = new StringBuilder();
    for (int i = 0; i < columns; i++) {
      byte kind = message.get();
      if (kind == 't') {
        int length = message.getInt();
        message.position(message.position() + length);
        sent.append(names.get(i)).append(SEPARATOR);
      }
    }
    int end = message.position();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(message.remaining() + 256);
    DataOutputStream out = new DataOutputStream(bytes);
    write(message, start, tuple, out);
    out.writeShort(columns + 1);
    write(message, tuple + Short.BYTES, end, out);
    out.writeByte('t');
    byte[] value = sent.toString().getBytes(StandardCharsets.UTF_8);
    out.writeInt(value.length);
    out.write(value);
    write(message, end, message.limit(), out);
    return ByteBuffer.wrap(bytes.toByteArray());
  }

  private static void write(ByteBuffer message, int from, int to, DataOutputStream out)
      throws IOException {
    byte[] part = new byte[to - from];
    message.get(from, part);
    out.write(part);
  }

  private static String readName(ByteBuffer message) {
    ByteArrayOutputStream name = new ByteArrayOutputStream();
    for (byte next = message.get(); next != 0; next = message.get()) {
      name.write(next);
    }
    return name.toString(StandardCharsets.UTF_8);
  }

  private static void writeName(String name, DataOutputStream out) throws IOException {
    out.write(name.getBytes(StandardCharsets.UTF_8));
    out.writeByte(0);
  }
}
