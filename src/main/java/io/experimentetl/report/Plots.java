package io.experimentetl.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.report.NumberText.Unit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** The plots of a page: their places and captions, and the figures that {@code page.js} draws. */
final class Plots {
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();

  /**
   * A plot's place.
   *
   * @param kind the member of {@code draw} in {@code page.js}
   * @param index of its figures among those of its kind
   */
  record Plot(String id, String kind, int index, String title, String caption) {}

  private final ObjectNode figures = JSON.createObjectNode();

  Plots(String zone) {
    figures.put("zone", zone);
    figures.putArray("lift");
    figures.putArray("mean");
  }

  private static Plot plot(String kind, int index, String title, String caption) {
    return new Plot(kind + "-" + index, kind, index, title, caption);
  }

  /** The figures as JSON that cannot end a script element. */
  String json() {
    try {
      return JSON.writeValueAsString(figures)
          .replace("<", "\\u003c")
          .replace(">", "\\u003e")
          .replace("&", "\\u0026");
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A variant's lift up to each day. */
  Plot lift(String metric, List<Figures.Row> rows) {
    ArrayNode lifts = figures.withArray("lift");
    Figures.Row last = PageRows.last(rows);
    Estimate lift = Estimate.of(last, "lift", "always_valid_lift", Unit.PERCENT);
    ObjectNode panel = lifts.addObject();
    panel.put("metric", metric).put("end", lift.shown());
    days(panel, rows, "as_of_day");
    numbers(panel, "value", rows, "lift");
    numbers(panel, "low", rows, "lift_low");
    numbers(panel, "high", rows, "lift_high");
    numbers(panel, "alwaysLow", rows, "always_valid_lift_low");
    numbers(panel, "alwaysHigh", rows, "always_valid_lift_high");
    texts(panel, "shape", rows, "lift_interval");
    texts(panel, "alwaysShape", rows, "always_valid_lift_interval");
    return plot(
        "lift",
        lifts.size() - 1,
        PageRows.variantName(last),
        PageRows.between(rows, "as_of_day")
            + ". At the end "
            + lift.shown()
            + (lift.fixed() == null
                ? ", without an interval."
                : "; one look "
                    + lift.fixed().inWords()
                    + (lift.always() == null
                        ? "."
                        : "; any day " + lift.always().inWords() + ".")));
  }

  /** A variant's mean up to each day. */
  Plot mean(String metric, String variant, List<Figures.Row> rows) {
    ArrayNode means = figures.withArray("mean");
    Figures.Row last = PageRows.last(rows);
    boolean share = last.text("kind").equals("proportion");
    Unit unit = share ? Unit.PERCENT : Unit.PLAIN;
    Double low = last.number("mean_low");
    Double high = last.number("mean_high");
    int decimals = NumberText.decimals(last.number("mean"), low, high, unit);
    String shown = NumberText.level(last.number("mean"), decimals, unit);
    String title = MetricSection.meanName(last.text("kind"));
    ObjectNode panel = means.addObject();
    panel.put("metric", metric).put("end", shown).put("share", share);
    panel.put("title", title.toLowerCase(Locale.ROOT) + (share ? ", %" : ""));
    days(panel, rows, "day");
    numbers(panel, "value", rows, "mean");
    numbers(panel, "low", rows, "mean_low");
    numbers(panel, "high", rows, "mean_high");
    return plot(
        "mean",
        means.size() - 1,
        variant,
        PageRows.between(rows, "day")
            + ". At the end "
            + shown
            + (low == null || high == null
                ? ", without an interval."
                : "; one look "
                    + NumberText.level(low, decimals, unit)
                    + " to "
                    + NumberText.level(high, decimals, unit)
                    + "."));
  }

  /** New and active users per day, a plot for each variant. */
  List<Plot> users(Figures daily, Map<Long, String> variants) {
    ArrayNode panels = figures.putArray("users");
    Map<Long, Map<String, List<Figures.Row>>> byVariant = new LinkedHashMap<>();
    for (Figures.Row row : daily.rows()) {
      byVariant
          .computeIfAbsent(PageRows.variantId(row), variant -> new LinkedHashMap<>())
          .computeIfAbsent(row.text("metric"), metric -> new ArrayList<>())
          .add(row);
    }
    List<Plot> plots = new ArrayList<>();
    byVariant.forEach(
        (variant, metrics) -> {
          List<Figures.Row> rows = usersPanel(panels.addObject(), metrics);
          plots.add(
              plot(
                  "users",
                  plots.size(),
                  variants.getOrDefault(variant, PageRows.variantName(rows.get(0))),
                  PageRows.between(rows, "day")
                      + ". On the last day "
                      + NumberText.count(PageRows.orZero(PageRows.last(rows).number("new_users")))
                      + " new."));
        });
    return plots;
  }

  /** Returns one row per day: a user is new on one day, for every metric. */
  private static List<Figures.Row> usersPanel(
      ObjectNode panel, Map<String, List<Figures.Row>> metrics) {
    Map<String, Figures.Row> days = new TreeMap<>();
    metrics.values().forEach(rows -> rows.forEach(row -> days.put(row.text("day"), row)));
    List<Figures.Row> rows = List.copyOf(days.values());
    days(panel, rows, "day");
    numbers(panel, "newUsers", rows, "new_users");
    ArrayNode active = panel.putArray("active");
    metrics.forEach(
        (metric, ofMetric) -> {
          Map<String, Figures.Row> byDay = new HashMap<>();
          ofMetric.forEach(row -> byDay.put(row.text("day"), row));
          ArrayNode users = active.addObject().put("metric", metric).putArray("users");
          days.keySet()
              .forEach(
                  day ->
                      users.add(
                          byDay.containsKey(day)
                              ? PageRows.orZero(byDay.get(day).number("active_users"))
                              : 0));
        });
    return rows;
  }

  /** The p of the sample ratio up to each day, or null where no day has one. */
  Plot srm(Figures health) {
    List<Figures.Row> rows = health.rows();
    List<Figures.Row> tested = rows.stream().filter(row -> row.number("srm_p") != null).toList();
    if (tested.isEmpty()) {
      return null;
    }
    ObjectNode panel = figures.putObject("srm");
    days(panel, rows, "day");
    numbers(panel, "p", rows, "srm_p");
    Double p = PageRows.last(tested).number("srm_p");
    return plot(
        "srm",
        0,
        "p of the sample ratio, up to each day",
        PageRows.between(rows, "day")
            + ". Chi-square test of the users assigned at random against the weights; at the end p = "
            + NumberText.significant(p)
            + (p < 0.001 ? ": the split is not as planned." : "."));
  }

  /** Findings by day and code, or null where there are none. */
  Plot findings(Figures findingsByDay) {
    List<Figures.Row> rows = findingsByDay.rows();
    if (rows.isEmpty()) {
      return null;
    }
    ArrayNode codes = figures.putArray("findings");
    Map<String, ObjectNode> byCode = new LinkedHashMap<>();
    for (Figures.Row row : rows) {
      ObjectNode code =
          byCode.computeIfAbsent(
              row.text("code"),
              name -> {
                ObjectNode first = codes.addObject();
                first.put("code", name).put("severity", row.text("severity")).putArray("points");
                return first;
              });
      code.withArray("points")
          .addObject()
          .put("day", row.text("day"))
          .put("open", PageRows.orZero(row.number("open")))
          .put("resolved", PageRows.orZero(row.number("resolved")));
    }
    List<Figures.Row> byDay =
        rows.stream()
            .sorted((a, b) -> PageRows.day(a, "day").compareTo(PageRows.day(b, "day")))
            .toList();
    return plot(
        "findings",
        0,
        "Findings by the day of the change that showed them",
        PageRows.between(byDay, "day")
            + ", "
            + byCode.size()
            + (byCode.size() == 1 ? " code." : " codes."));
  }

  private static void days(ObjectNode panel, List<Figures.Row> rows, String column) {
    ArrayNode days = panel.putArray("days");
    rows.forEach(row -> days.add(row.text(column)));
  }

  private static void texts(ObjectNode panel, String name, List<Figures.Row> rows, String column) {
    ArrayNode texts = panel.putArray(name);
    rows.forEach(row -> texts.add(row.text(column)));
  }

  private static void numbers(
      ObjectNode panel, String name, List<Figures.Row> rows, String column) {
    ArrayNode numbers = panel.putArray(name);
    rows.forEach(row -> numbers.add(row.number(column)));
  }
}
