package io.experimentetl.mapping;

import java.io.Serializable;
import java.util.Map;

/**
 * Where one of our columns comes from, and how the value is changed on the way.
 *
 * @param values the value's text, and what it is called here; others stay as they are. It is
 *     applied before the value gets our column's type
 * @param unit of a number in a column of times; null: the column holds no number
 * @param zone the IANA zone of a {@code timestamp} without zone, of a number, and of a {@code
 *     date}, which is its midnight there; null: UTC
 * @param absent what the value is if the table does not have the column of {@code origin}; null:
 *     NULL. It is only looked at where that column is not named in the configuration
 */
public record ColumnBinding(
    Origin origin, Map<String, String> values, TimeUnit unit, String zone, Origin absent)
    implements Serializable {

  public ColumnBinding {
    values = Map.copyOf(values);
  }

  /** The value as the origin has it. */
  public static ColumnBinding of(Origin origin) {
    return new ColumnBinding(origin, Map.of(), null, null, null);
  }

  /** A column under the name that it has here. */
  public static ColumnBinding column(String name) {
    return of(new Origin.Column(name));
  }

  /** Whether the value of one column is read as it is. */
  public boolean isPlain() {
    return origin instanceof Origin.Column
        && values.isEmpty()
        && unit == null
        && zone == null
        && absent == null;
  }

  /** The same of another origin. */
  public ColumnBinding from(Origin other) {
    return new ColumnBinding(other, values, unit, zone, absent);
  }
}
