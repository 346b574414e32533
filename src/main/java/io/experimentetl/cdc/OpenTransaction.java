package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.TransactionEnd;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;

/**
 * The transaction whose rows are arriving: which users' rows can be judged only by its end. While
 * these users are few, the end is sent to each of them, else once to every key group.
 */
final class OpenTransaction {
  /** Number of users above which the end is sent to every key group. */
  static final int MAX_USERS = 128;

  /**
   * The transaction; a record of operator state.
   *
   * @param txId 0: no row of the stream yet
   * @param previousCommitLsn of its rows; 0: not known
   * @param sequenceNumber of its last row
   * @param committedAt microseconds since 1970 in UTC
   * @param users whose rows await its end
   * @param ofAllUsers they are more than {@link #MAX_USERS}
   */
  public record State(
      long txId,
      long previousCommitLsn,
      long sequenceNumber,
      long committedAt,
      String[] users,
      boolean ofAllUsers) {
    static final State NONE = new State(0, 0, 0, 0, new String[0], false);
  }

  private final List<String> keyGroups;
  private final Set<String> users = new LinkedHashSet<>();
  private long txId;
  private long previousCommitLsn;
  private long sequenceNumber;
  private long committedAt;
  private boolean ofAllUsers;

  /**
   * Continues from the state.
   *
   * @param keyGroups number of key groups of the step behind
   */
  OpenTransaction(State state, int keyGroups) {
    this.keyGroups = keyOfEach(keyGroups);
    txId = state.txId();
    previousCommitLsn = state.previousCommitLsn();
    sequenceNumber = state.sequenceNumber();
    committedAt = state.committedAt();
    users.addAll(List.of(state.users()));
    ofAllUsers = state.ofAllUsers();
  }

  private static List<String> keyOfEach(int keyGroups) {
    String[] keys = new String[keyGroups];
    int missing = keyGroups;
    for (int i = 0; missing > 0; i++) {
      String key = "key-group-" + i;
      int keyGroup = KeyGroupRangeAssignment.assignToKeyGroup(key, keyGroups);
      if (keys[keyGroup] == null) {
        keys[keyGroup] = key;
        missing--;
      }
    }
    return List.of(keys);
  }

  State state() {
    return new State(
        txId,
        previousCommitLsn,
        sequenceNumber,
        committedAt,
        users.toArray(String[]::new),
        ofAllUsers);
  }

  /**
   * Whether a row of the stream belongs to a later transaction than the row before it. Topics hold
   * no commits. The id alone does not decide, because ids are used again.
   */
  boolean isEndedBy(SourcePosition row) {
    return row.txId() != txId
        || (row.previousCommitLsn() != 0
            && previousCommitLsn != 0
            && row.previousCommitLsn() != previousCommitLsn);
  }

  /** Notes a row of the stream. */
  void add(Change row) {
    txId = row.position().txId();
    previousCommitLsn =
        previousCommitLsn == 0 ? row.position().previousCommitLsn() : previousCommitLsn;
    sequenceNumber = row.sequenceNumber();
    committedAt = row.position().committedAt();
  }

  /** Notes that a row of the user awaits the end. */
  void await(String userId) {
    if (ofAllUsers || users.contains(userId)) {
      return;
    }
    if (users.size() == MAX_USERS) {
      users.clear();
      ofAllUsers = true;
    } else {
      users.add(userId);
    }
  }

  /** Notes that any user may have a row that awaits the end. */
  void awaitAll() {
    users.clear();
    ofAllUsers = true;
  }

  /** A truncate on its way to every user: it arrives at every key group. */
  List<Change> ofEveryKeyGroup(Change truncate) {
    List<Change> truncates = new ArrayList<>(keyGroups.size());
    for (String key : keyGroups) {
      truncates.add(
          new Change(
              truncate.table(),
              truncate.kind(),
              truncate.sequenceNumber(),
              truncate.position(),
              null,
              new TransactionEnd(key, true)));
    }
    return truncates;
  }

  /**
   * Ends the transaction.
   *
   * @param commitLsn the end of its commit
   * @return its end for everyone who awaits it
   */
  List<Change> end(long commitLsn) {
    SourcePosition position =
        new SourcePosition(previousCommitLsn, commitLsn, txId, 0, committedAt);
    List<Change> ends = new ArrayList<>();
    for (String key : ofAllUsers ? keyGroups : users) {
      TransactionEnd end = new TransactionEnd(key, ofAllUsers);
      ends.add(new Change(null, ChangeKind.COMMIT, sequenceNumber, position, null, end));
    }
    users.clear();
    ofAllUsers = false;
    txId = 0;
    previousCommitLsn = 0;
    return ends;
  }
}
