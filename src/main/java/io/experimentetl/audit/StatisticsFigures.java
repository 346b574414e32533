package io.experimentetl.audit;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/**
 * The exact figures of a cell in the order of {@link #NAMES}. Decimals are held as integers in
 * units of their last decimal place.
 */
record StatisticsFigures(List<BigInteger> values) {
  static final List<String> NAMES =
      List.of(
          "exposures",
          "active_users",
          "converting_users",
          "events",
          "value_sum",
          "new_users",
          "new_converters",
          "d_sum",
          "d_sum_sq",
          "d_den_sum",
          "d_den_sum_sq",
          "d_num_den",
          "d_x_sum",
          "d_x_sum_sq",
          "d_xy");
  static final List<Integer> DECIMALS = List.of(0, 0, 0, 0, 6, 0, 0, 6, 12, 6, 12, 12, 6, 12, 12);

  static final StatisticsFigures NONE =
      new StatisticsFigures(NAMES.stream().map(name -> BigInteger.ZERO).toList());

  StatisticsFigures {
    values = List.copyOf(values);
  }

  /** Reads integers in units of the last decimal place. */
  static StatisticsFigures ofUnscaled(List<String> texts) {
    return new StatisticsFigures(texts.stream().map(BigInteger::new).toList());
  }

  /** Reads decimals as ClickHouse prints them. */
  static StatisticsFigures ofDecimals(List<String> texts) {
    List<BigInteger> values = new ArrayList<>();
    for (int i = 0; i < NAMES.size(); i++) {
      values.add(new BigDecimal(texts.get(i)).movePointRight(DECIMALS.get(i)).toBigIntegerExact());
    }
    return new StatisticsFigures(values);
  }

  StatisticsFigures minus(StatisticsFigures other) {
    List<BigInteger> differences = new ArrayList<>();
    for (int i = 0; i < NAMES.size(); i++) {
      differences.add(values.get(i).subtract(other.values.get(i)));
    }
    return new StatisticsFigures(differences);
  }

  /** The figures in which the three differ, each with its three values; null: not compared. */
  static String differences(
      StatisticsFigures stored, StatisticsFigures fromWarehouse, StatisticsFigures fromSource) {
    StringJoiner text = new StringJoiner("; ");
    for (int i = 0; i < NAMES.size(); i++) {
      boolean equal =
          stored.values.get(i).equals(fromWarehouse.values.get(i))
              && (fromSource == null || stored.values.get(i).equals(fromSource.values.get(i)));
      if (!equal) {
        text.add(
            NAMES.get(i)
                + " stored "
                + stored.print(i)
                + ", from ClickHouse's rows "
                + fromWarehouse.print(i)
                + ", from PostgreSQL's rows "
                + (fromSource == null ? "not compared" : fromSource.print(i)));
      }
    }
    return text.toString();
  }

  private String print(int figure) {
    BigDecimal decimal = new BigDecimal(values.get(figure), DECIMALS.get(figure));
    return decimal.signum() == 0 ? "0" : decimal.stripTrailingZeros().toPlainString();
  }
}
