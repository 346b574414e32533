package io.experimentetl.mapping;

import java.io.Serializable;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Which rows of a table are read: those that meet every condition. A filter is judged before the
 * row's required columns.
 *
 * @param conditions empty: every row is read
 */
public record RowFilter(List<Condition> conditions) implements Serializable {

  /** Lets every row pass. */
  public static final RowFilter ALL = new RowFilter(List.of());

  public RowFilter {
    conditions = List.copyOf(conditions);
  }

  /**
   * A condition on one column of the source.
   *
   * @param column exactly as the catalogue has it
   * @param values the value's text is one of these (see {@link Origin}); empty: no value is enough
   * @param matchesNull NULL is enough
   * @param matchesAnyValue every value but NULL is enough
   */
  public record Condition(
      String column, Set<String> values, boolean matchesNull, boolean matchesAnyValue)
      implements Serializable {
    public Condition {
      values = Set.copyOf(values);
    }

    /**
     * Whether a value meets the condition.
     *
     * @param text null: NULL
     */
    public boolean isMetBy(String text) {
      return text == null ? matchesNull : matchesAnyValue || values.contains(text);
    }
  }

  public boolean isEmpty() {
    return conditions.isEmpty();
  }

  void collectColumns(Set<String> names) {
    conditions.forEach(condition -> names.add(condition.column()));
  }

  /** The names of the source's columns that the filter reads, in their order. */
  public Set<String> columns() {
    Set<String> names = new TreeSet<>();
    collectColumns(names);
    return names;
  }
}
