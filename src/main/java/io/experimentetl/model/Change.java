package io.experimentetl.model;

import java.util.Objects;

/**
 * One change of one row of the source. It is immutable except for its sequence number: the source
 * builds the change, and the next step assigns the number once, before any other step reads it.
 */
public final class Change {
  private final SourceTable table;
  private final ChangeKind kind;
  private final SourcePosition position;
  private final SourceRow before;
  private final SourceRow after;
  private final String userKey;
  private final boolean beforeWhole;
  private long sequenceNumber;

  /**
   * A change whose old row, if there is one, is whole.
   *
   * @param table null for COMMIT
   * @param sequenceNumber see {@link #sequenceNumber}; 0: not assigned yet
   * @param before null for READ and INSERT, and for an UPDATE of a table without REPLICA IDENTITY
   *     FULL
   * @param after null for DELETE; null or a {@link TransactionEnd} for COMMIT
   */
  public Change(
      SourceTable table,
      ChangeKind kind,
      long sequenceNumber,
      SourcePosition position,
      SourceRow before,
      SourceRow after) {
    this(table, kind, sequenceNumber, position, before, after, before != null);
  }

  /**
   * A change.
   *
   * @param beforeWhole see {@link #isBeforeWhole}
   */
  public Change(
      SourceTable table,
      ChangeKind kind,
      long sequenceNumber,
      SourcePosition position,
      SourceRow before,
      SourceRow after,
      boolean beforeWhole) {
    this(table, kind, sequenceNumber, position, before, after, beforeWhole, null);
  }

  private Change(
      SourceTable table,
      ChangeKind kind,
      long sequenceNumber,
      SourcePosition position,
      SourceRow before,
      SourceRow after,
      boolean beforeWhole,
      String userKey) {
    this.table = table;
    this.kind = kind;
    this.sequenceNumber = sequenceNumber;
    this.position = position;
    this.before = before;
    this.after = after;
    this.beforeWhole = beforeWhole;
    this.userKey = userKey;
  }

  /** Another change of the same user at this change's place. */
  public Change as(ChangeKind otherKind, SourceRow otherBefore, SourceRow otherAfter) {
    return new Change(
        table,
        otherKind,
        sequenceNumber,
        position,
        otherBefore,
        otherAfter,
        otherBefore != null && (before == null || beforeWhole),
        userKey);
  }

  /** The same change of a user whose facts are kept under a key that is not the row's user id. */
  public Change underUserKey(String key) {
    return new Change(table, kind, sequenceNumber, position, before, after, beforeWhole, key);
  }

  /**
   * Assigns the sequence number.
   *
   * @return this change
   * @throws IllegalStateException it has one already
   */
  public Change assignSequenceNumber(long number) {
    if (sequenceNumber != 0) {
      throw new IllegalStateException(
          "The change of %s at %s has the sequence number %d already, and can't get %d."
              .formatted(table, position, sequenceNumber, number));
    }
    sequenceNumber = number;
    return this;
  }

  /** Null for COMMIT. */
  public SourceTable table() {
    return table;
  }

  public ChangeKind kind() {
    return kind;
  }

  /**
   * The change's place in commit order: strictly increasing, equal to the LSN where LSNs increase,
   * else one more than the number before; 0 until it is assigned. A COMMIT has the last number that
   * was assigned before it.
   */
  public long sequenceNumber() {
    return sequenceNumber;
  }

  public SourcePosition position() {
    return position;
  }

  /**
   * The row before the change. Null for READ and INSERT, and for an UPDATE that was sent without
   * it.
   */
  public SourceRow before() {
    return before;
  }

  /**
   * Whether the source sent all columns of the old row. False: there is no old row, or it holds
   * only the columns of the table's replica identity, and the others are empty, 0 or {@link
   * Long#MAX_VALUE}.
   */
  public boolean isBeforeWhole() {
    return beforeWhole;
  }

  /** Null for DELETE; null or a {@link TransactionEnd} for COMMIT. */
  public SourceRow after() {
    return after;
  }

  /** The row as it is after the change, or as it was before its delete. */
  public SourceRow row() {
    return after == null ? before : after;
  }

  /** The key under which the user's facts are kept; null: the user id of the row. */
  public String userKey() {
    return userKey;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Change that
        && table == that.table
        && kind == that.kind
        && sequenceNumber == that.sequenceNumber
        && beforeWhole == that.beforeWhole
        && Objects.equals(position, that.position)
        && Objects.equals(before, that.before)
        && Objects.equals(after, that.after)
        && Objects.equals(userKey, that.userKey);
  }

  @Override
  public int hashCode() {
    return Objects.hash(table, kind, sequenceNumber, position, before, after, beforeWhole, userKey);
  }

  @Override
  public String toString() {
    return "Change[table=%s, kind=%s, sequenceNumber=%d, position=%s, before=%s%s, after=%s, userKey=%s]"
        .formatted(
            table,
            kind,
            sequenceNumber,
            position,
            before,
            before == null || beforeWhole ? "" : " (key only)",
            after,
            userKey);
  }
}
