package io.experimentetl.postgres.pgoutput;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads messages of pgoutput, protocol version 1 (PostgreSQL's documentation, "Logical Replication
 * Message Formats"). One instance reads one stream, or several of a slot one after the other: each
 * announces its tables again.
 */
public final class PgOutputParser {
  /** Microseconds between 1970-01-01 and 2000-01-01, where PostgreSQL counts from. */
  static final long EPOCH_2000 = 946_684_800_000_000L;

  private final PgOutputHandler handler;
  private final Tuple old = new Tuple();
  private final Tuple row = new Tuple();
  private final Map<Integer, Relation> relations = new HashMap<>();

  /** Most rows are of the table of the row before. */
  private Relation lastRelation;

  public PgOutputParser(PgOutputHandler handler) {
    this.handler = handler;
  }

  /**
   * Reads one message, and passes it on.
   *
   * @param message from its position to its limit; it has an array
   * @throws IllegalStateException the message is none of protocol version 1, or does not fit those
   *     before it
   */
  public void parse(ByteBuffer message) {
    if (!message.hasRemaining()) {
      throw new IllegalStateException("The replication stream has an empty message.");
    }
    byte kind = message.get(message.position());
    try {
      parse(kind, message);
    } catch (BufferUnderflowException | IndexOutOfBoundsException e) {
      throw new IllegalStateException(
          "A message of the kind '" + (char) kind + "' of the replication stream ends too early.",
          e);
    }
  }

  private void parse(byte kind, ByteBuffer message) {
    message.get();
    switch (kind) {
      case 'B' ->
          handler.begin(message.getLong(), message.getLong() + EPOCH_2000, message.getInt());
      case 'C' -> {
        // Flags, which are unused, and the LSN of the commit record.
        message.get();
        message.getLong();
        handler.commit(message.getLong());
      }
      case 'R' -> {
        Relation relation = relation(message);
        relations.put(relation.id(), relation);
        lastRelation = relation;
        handler.relation(relation);
      }
      case 'I' -> {
        Relation relation = known(message.getInt());
        expect('N', message.get());
        handler.insert(relation, read(row, relation, message, false));
      }
      case 'U' -> update(message);
      case 'D' -> {
        Relation relation = known(message.getInt());
        byte oldKind = message.get();
        requireOld(oldKind);
        handler.delete(relation, read(old, relation, message, oldKind == 'K'));
      }
      case 'T' -> truncate(message);
      case 'O', 'Y', 'M' -> {
        // Where the transaction came from, the name of a type, and a message of a client: no row.
      }
      default ->
          throw new IllegalStateException(
              "The replication stream has a message of the unknown kind '" + (char) kind + "'.");
    }
  }

  private void update(ByteBuffer message) {
    Relation relation = known(message.getInt());
    byte next = message.get();
    boolean hasOld = next != 'N';
    if (hasOld) {
      requireOld(next);
      read(old, relation, message, next == 'K');
      expect('N', message.get());
    }
    handler.update(relation, hasOld ? old : null, read(row, relation, message, false));
  }

  private void truncate(ByteBuffer message) {
    int count = message.getInt();
    // CASCADE and RESTART IDENTITY: the tables that they reach are named too.
    message.get();
    List<Relation> truncated = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      truncated.add(known(message.getInt()));
    }
    handler.truncate(truncated);
  }

  private Relation known(int id) {
    if (lastRelation == null || lastRelation.id() != id) {
      Relation relation = relations.get(id);
      if (relation == null) {
        throw new IllegalStateException(
            "The replication stream has a row of the relation "
                + Integer.toUnsignedString(id)
                + ", which it has not announced.");
      }
      lastRelation = relation;
    }
    return lastRelation;
  }

  private static Relation relation(ByteBuffer message) {
    int id = message.getInt();
    String schema = name(message);
    String table = name(message);
    // The replica identity: each old tuple says itself what it holds.
    message.get();
    int count = message.getShort();
    List<Relation.Column> columns = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      // Whether it is part of the key.
      message.get();
      String name = name(message);
      int type = message.getInt();
      // The type's modifier.
      message.getInt();
      columns.add(new Relation.Column(name, type));
    }
    return new Relation(id, schema, table, List.copyOf(columns));
  }

  private static Tuple read(Tuple tuple, Relation relation, ByteBuffer message, boolean keyOnly) {
    int count = message.getShort();
    if (count != relation.columns().size()) {
      throw new IllegalStateException(
          "The replication stream has a row of "
              + relation.table()
              + " with "
              + count
              + " columns in the place of "
              + relation.columns().size()
              + ".");
    }
    tuple.start(message.array(), count, keyOnly);
    for (int i = 0; i < count; i++) {
      byte kind = message.get();
      switch (kind) {
        case 'n', 'u' -> tuple.set(i, kind, 0, 0);
        case 't', 'b' -> {
          int length = message.getInt();
          if (length < 0 || length > message.remaining()) {
            throw new IndexOutOfBoundsException(length);
          }
          tuple.set(i, kind, message.arrayOffset() + message.position(), length);
          message.position(message.position() + length);
        }
        default ->
            throw new IllegalStateException(
                "The replication stream has a value of the unknown kind '" + (char) kind + "'.");
      }
    }
    return tuple;
  }

  private static void requireOld(byte kind) {
    if (kind != 'O' && kind != 'K') {
      throw new IllegalStateException(
          "The replication stream has an old row of the unknown kind '" + (char) kind + "'.");
    }
  }

  private static void expect(char expected, byte kind) {
    if (kind != expected) {
      throw new IllegalStateException(
          "The replication stream has '" + (char) kind + "' in the place of a new row.");
    }
  }

  private static String name(ByteBuffer message) {
    int start = message.position();
    int end = start;
    while (message.get(end) != 0) {
      end++;
    }
    String name =
        new String(
            message.array(), message.arrayOffset() + start, end - start, StandardCharsets.UTF_8);
    message.position(end + 1);
    return name;
  }
}
