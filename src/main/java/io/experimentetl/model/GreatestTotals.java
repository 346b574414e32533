package io.experimentetl.model;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The users with the greatest totals of one metric in one variant, or a change of them: enough to
 * know the greatest total exactly, also after totals were taken back.
 *
 * <p>At most {@link #KEPT} users are kept. The greatest kept total is exact while no user who is
 * not kept can have more, and while it cannot be an old one: until the totals of almost all kept
 * users are taken back.
 *
 * @param users their ids
 * @param before by user, the greatest total before the change, in units of 10^-6; 0: no change
 * @param after by user, the total after the change, in units of 10^-6
 * @param absent upper bound of the totals of users who are not kept, in units of 10^-6
 * @param stale upper bound of totals whose change was not kept, in units of 10^-6
 */
public record GreatestTotals(
    String[] users, BigInteger[] before, BigInteger[] after, BigInteger absent, BigInteger stale) {
  static final int KEPT = 32;

  public static final GreatestTotals NONE =
      new GreatestTotals(
          new String[0], new BigInteger[0], new BigInteger[0], BigInteger.ZERO, BigInteger.ZERO);

  private record Change(String user, BigInteger before, BigInteger after) {
    BigInteger greater() {
      return before.max(after);
    }

    Change then(Change next) {
      return new Change(user, before.max(next.before), next.after);
    }
  }

  /** The change of one user's total. */
  public static GreatestTotals of(String user, BigInteger before, BigInteger after) {
    return new GreatestTotals(
        new String[] {user},
        new BigInteger[] {before},
        new BigInteger[] {after},
        BigInteger.ZERO,
        BigInteger.ZERO);
  }

  /** These, and then the other changes. */
  public GreatestTotals plus(GreatestTotals next) {
    Map<String, Change> byUser = new LinkedHashMap<>();
    for (Change change : changes()) {
      byUser.put(change.user(), change);
    }
    for (Change change : next.changes()) {
      byUser.merge(change.user(), change, Change::then);
    }
    return greatest(
        new ArrayList<>(byUser.values()), absent.max(next.absent), stale.max(next.stale));
  }

  /** The totals as they stand after the changes. */
  public GreatestTotals settled() {
    return greatest(
        changes().stream()
            .filter(change -> change.after().signum() != 0)
            .map(change -> new Change(change.user(), BigInteger.ZERO, change.after()))
            .toList(),
        absent,
        stale);
  }

  private static GreatestTotals greatest(
      List<Change> changes, BigInteger absent, BigInteger stale) {
    List<Change> kept = changes;
    BigInteger droppedAfter = absent;
    BigInteger droppedBefore = stale;
    if (changes.size() > KEPT) {
      kept = new ArrayList<>(changes);
      kept.sort(Comparator.comparing(Change::greater).reversed());
      for (Change dropped : kept.subList(KEPT, kept.size())) {
        droppedAfter = droppedAfter.max(dropped.after());
        droppedBefore = droppedBefore.max(dropped.before());
      }
      kept = kept.subList(0, KEPT);
    }
    return new GreatestTotals(
        kept.stream().map(Change::user).toArray(String[]::new),
        kept.stream().map(Change::before).toArray(BigInteger[]::new),
        kept.stream().map(Change::after).toArray(BigInteger[]::new),
        droppedAfter,
        droppedBefore);
  }

  private List<Change> changes() {
    List<Change> changes = new ArrayList<>();
    for (int i = 0; i < users.length; i++) {
      changes.add(new Change(users[i], before[i], after[i]));
    }
    return changes;
  }

  /** The greatest user's total; null: it is not known. */
  public BigInteger greatest() {
    BigInteger greatest = BigInteger.ZERO;
    for (BigInteger total : after) {
      greatest = greatest.max(total);
    }
    return greatest.compareTo(absent) >= 0 && greatest.compareTo(stale) > 0 ? greatest : null;
  }

  public boolean isEmpty() {
    return users.length == 0;
  }
}
