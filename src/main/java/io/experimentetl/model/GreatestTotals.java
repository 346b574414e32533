package io.experimentetl.model;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
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
    if (isNone()) {
      return next;
    }
    if (next.isNone()) {
      return this;
    }
    Sum sum = new Sum();
    sum.add(this);
    sum.add(next);
    return sum.total();
  }

  private boolean isNone() {
    return isEmpty() && absent.signum() == 0 && stale.signum() == 0;
  }

  /** Adds up changes that come one user at a time, without a copy of all for each. */
  public static final class Sum {
    private final Map<String, Change> byUser = new LinkedHashMap<>();
    private BigInteger absent = BigInteger.ZERO;
    private BigInteger stale = BigInteger.ZERO;

    /** Adds later changes. */
    public void add(GreatestTotals next) {
      for (Change change : next.changes()) {
        byUser.merge(change.user(), change, Change::then);
      }
      absent = absent.max(next.absent);
      stale = stale.max(next.stale);
      while (byUser.size() > KEPT) {
        Change dropped = byUser.remove(userOfLeast());
        absent = absent.max(dropped.after());
        stale = stale.max(dropped.before());
      }
    }

    private String userOfLeast() {
      Change least = null;
      for (Change change : byUser.values()) {
        if (least == null || change.greater().compareTo(least.greater()) <= 0) {
          least = change;
        }
      }
      return least.user();
    }

    public GreatestTotals total() {
      return GreatestTotals.of(byUser.values(), absent, stale);
    }
  }

  /** The totals as they stand after the changes. */
  public GreatestTotals settled() {
    return of(
        changes().stream()
            .filter(change -> change.after().signum() != 0)
            .map(change -> new Change(change.user(), BigInteger.ZERO, change.after()))
            .toList(),
        absent,
        stale);
  }

  private static GreatestTotals of(
      Collection<Change> changes, BigInteger absent, BigInteger stale) {
    return new GreatestTotals(
        changes.stream().map(Change::user).toArray(String[]::new),
        changes.stream().map(Change::before).toArray(BigInteger[]::new),
        changes.stream().map(Change::after).toArray(BigInteger[]::new),
        absent,
        stale);
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
