package io.experimentetl.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.samskivert.mustache.Mustache;
import io.experimentetl.report.NumberText.Unit;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * The page: what the views said, laid out; nothing is computed. Texts from the database are escaped
 * by the template, and by the JSON that the plots read. Its content security policy lets no request
 * leave the file, and runs the two scripts that were put in and no other.
 */
final class ReportPage {
  private static final String D3 = "META-INF/resources/webjars/d3/7.9.0/dist/d3.min.js";
  private static final DateTimeFormatter DAY =
      DateTimeFormatter.ofPattern("d MMM uuuu", Locale.ENGLISH);
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();
  private static final String OK = "ok";
  private static final String CARE = "with care";
  private static final String STOP = "do not trust";

  private final Experiment experiment;

  /** Every row of experiment_results by metric and variant, in the order of days. */
  private final Map<String, Map<Long, List<Figures.Row>>> results = new LinkedHashMap<>();

  private final Map<Long, String> variants = new HashMap<>();

  ReportPage(Experiment experiment) {
    this.experiment = experiment;
    for (Figures.Row row : experiment.table("results").rows()) {
      results
          .computeIfAbsent(row.text("metric"), metric -> new LinkedHashMap<>())
          .computeIfAbsent(id(row), variant -> new ArrayList<>())
          .add(row);
      variants.put(id(row), variantNameOf(row));
    }
  }

  /** A figure as ClickHouse gave it, and as it is shown. */
  private record Shown(String value, String shown) {}

  /** An interval, as {@link Shown}; {@code zero}: on which side of it, or that it is inside. */
  private record Interval(
      String lowColumn,
      String highColumn,
      String lowValue,
      String low,
      String highValue,
      String high,
      String zero) {}

  private record Estimate(
      String column, String value, String shown, Interval fixed, Interval always) {}

  private record Cuped(String value, String shown, String low, String high) {}

  private record VariantRow(
      long variantId,
      String variant,
      String armName,
      boolean control,
      String verdict,
      Shown mean,
      Shown users,
      Estimate lift,
      Estimate effect,
      Cuped cuped,
      Shown p,
      Shown alwaysValidP) {}

  private record Plot(String id, String kind, int index, String title, String caption) {}

  private record Metric(
      String metric,
      String unit,
      String meanName,
      String effectUnit,
      String sharedVerdict,
      String note,
      List<VariantRow> variants,
      List<List<Plot>> lifts,
      List<List<Plot>> means) {}

  private record Reason(String reason, String holdsFor) {}

  private record Verdict(String word, String grade, String sign, List<Reason> reasons) {}

  private record Allocation(
      String variant, String assigned, String share, String weight, String exposed) {}

  private record OpenFinding(
      String scope,
      String severity,
      String severityWord,
      String code,
      String open,
      String seen,
      String remedy,
      List<String> details) {}

  /** The whole file. */
  String html() {
    ObjectNode figures = JSON.createObjectNode();
    figures.put("zone", experiment.zone());
    String library = Views.classPathText(D3).strip();
    String script = Views.resource("page.js");
    String style = Views.resource("page.css");
    Map<String, Object> page = new HashMap<>();
    page.put("scriptHashes", hash(library) + " " + hash(script));
    page.put("styleHash", hash(style));
    page.put("library", library);
    page.put("script", script);
    page.put("style", style);
    page.put("name", experiment.name().isEmpty() ? experiment.key() : experiment.name());
    page.put("key", experiment.key());
    page.put("id", experiment.id());
    page.put("status", experiment.status());
    page.put("startsAt", experiment.startsAt());
    page.put("endsAt", experiment.endsAt());
    page.put("verdict", verdict());
    page.put("holds", holds());
    page.put("zone", experiment.zone());
    page.put("zoneIsFrom", experiment.zoneIsFrom());
    page.put("lastDay", lastDay());
    page.put("metrics", metrics(figures));
    page.put("users", orNothing(users(figures)));
    page.put("allocation", orNothing(allocation()));
    page.put("srm", srm(figures));
    page.put("findings", findings(figures));
    page.put("openFindings", orNothing(openFindings()));
    page.put(
        "madeAt",
        DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm").format(LocalDateTime.now(ZoneOffset.UTC)));
    page.put("figures", embedded(figures));
    return Mustache.compiler()
        .withLoader(name -> new StringReader(Views.resource(name + ".html").stripTrailing()))
        .emptyStringIsFalse(true)
        .nullValue("")
        .compile(Views.resource("page.html"))
        .execute(page);
  }

  /** An empty list is no section; one that is there is entered once, as a whole. */
  private static <T> List<List<T>> orNothing(List<T> list) {
    return list.isEmpty() ? List.of() : List.of(list);
  }

  /** JSON that ends no script element, whatever it holds. */
  private static String embedded(ObjectNode figures) {
    try {
      return JSON.writeValueAsString(figures)
          .replace("<", "\\u003c")
          .replace(">", "\\u003e")
          .replace("&", "\\u0026");
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String hash(String content) {
    try {
      return "'sha256-"
          + Base64.getEncoder()
              .encodeToString(
                  MessageDigest.getInstance("SHA-256")
                      .digest(content.getBytes(StandardCharsets.UTF_8)))
          + "'";
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private String holds() {
    if (experiment.progress().rows().isEmpty()) {
      return "The job has completed no checkpoint yet: nothing is promised of what is shown.";
    }
    Figures.Row row = experiment.progress().rows().get(0);
    String loaded =
        row.isTrue("snapshot_done")
            ? ""
            : " The initial load is not finished: figures are incomplete.";
    if (row.text("lsn").isEmpty()) {
      return "Holds what the initial load has brought so far; no transaction behind it is visible yet."
          + loaded;
    }
    return "Holds everything that was committed in PostgreSQL up to "
        + row.text("committed_at")
        + " UTC (LSN "
        + row.text("lsn")
        + "), and perhaps later changes."
        + loaded;
  }

  private String lastDay() {
    return results.values().stream()
        .flatMap(variants -> variants.values().stream())
        .map(rows -> day(last(rows), "as_of_day"))
        .max(LocalDate::compareTo)
        .map(DAY::format)
        .orElse("");
  }

  /** The gravest of the newest day's verdicts, and for which rows each reason holds. */
  private Verdict verdict() {
    Map<String, Set<String>> holdsFor = new TreeMap<>();
    int judged = 0;
    for (Map.Entry<String, Map<Long, List<Figures.Row>>> metric : results.entrySet()) {
      boolean compared = metric.getValue().values().stream().anyMatch(r -> !isControl(r));
      for (List<Figures.Row> rows : metric.getValue().values()) {
        if (compared && isControl(rows)) {
          continue;
        }
        judged++;
        holdsFor
            .computeIfAbsent(last(rows).text("verdict"), verdict -> new TreeSet<>())
            .add(metric.getKey() + ": " + variantNameOf(last(rows)));
      }
    }
    if (judged == 0) {
      return null;
    }
    String gravest =
        holdsFor.keySet().stream().anyMatch(v -> v.startsWith(STOP))
            ? STOP
            : holdsFor.keySet().stream().allMatch(v -> v.equals(OK)) ? OK : CARE;
    int all = judged;
    List<Reason> reasons =
        holdsFor.entrySet().stream()
            .filter(verdict -> verdict.getKey().startsWith(gravest) || gravest.equals(CARE))
            .filter(verdict -> !verdict.getKey().equals(OK))
            .map(
                verdict ->
                    new Reason(
                        verdict.getKey(),
                        verdict.getValue().size() == all
                            ? ""
                            : verdict.getValue().size() <= 4
                                ? String.join(", ", verdict.getValue())
                                : verdict.getValue().size() + " of " + all + " comparisons"))
            .toList();
    return switch (gravest) {
      case OK ->
          new Verdict(
              "OK: nothing speaks against these figures", "ok", "M3 10.5L8 15.5L17 5", List.of());
      case STOP ->
          new Verdict("Do not trust these figures", "stop", "M4 4L16 16M16 4L4 16", reasons);
      default -> new Verdict("Read with care", "care", "M10 3V12M10 15V17.5", reasons);
    };
  }

  private List<Metric> metrics(ObjectNode figures) {
    ArrayNode lifts = figures.putArray("lift");
    ArrayNode means = figures.putArray("mean");
    List<Metric> metrics = new ArrayList<>();
    results.forEach(
        (metric, variants) -> {
          String kind =
              variants.values().stream()
                  .map(rows -> last(rows).text("kind"))
                  .findFirst()
                  .orElse("");
          List<Plot> liftPlots = new ArrayList<>();
          for (List<Figures.Row> rows : variants.values()) {
            if (!isControl(rows) && rows.stream().anyMatch(row -> row.number("lift") != null)) {
              liftPlots.add(liftPlot(lifts, metric, rows));
            }
          }
          List<Plot> meanPlots = new ArrayList<>();
          if (liftPlots.isEmpty()) {
            cumulative(metric)
                .forEach((variant, rows) -> meanPlots.add(meanPlot(means, metric, variant, rows)));
          }
          metrics.add(
              new Metric(
                  metric,
                  kind,
                  meanName(kind),
                  effectUnit(kind),
                  sharedVerdict(variants),
                  liftPlots.isEmpty()
                      ? variants.values().stream().anyMatch(ReportPage::isControl)
                          ? "There is no lift to plot: the control's mean is 0, or there is nothing to compare with it."
                          : "There is no effect and no lift: no variant is the control."
                      : "",
                  variants.values().stream().map(rows -> variant(last(rows))).toList(),
                  orNothing(liftPlots),
                  orNothing(meanPlots)));
        });
    return metrics;
  }

  /** Said once where it is the same for all; empty: each has its own. */
  private static String sharedVerdict(Map<Long, List<Figures.Row>> variants) {
    Set<String> verdicts = new TreeSet<>();
    variants.values().forEach(rows -> verdicts.add(last(rows).text("verdict")));
    return verdicts.size() == 1 ? verdicts.iterator().next() : "";
  }

  private static String meanName(String kind) {
    return switch (kind) {
      case "proportion" -> "Share of users";
      case "ratio" -> "Ratio";
      case "count" -> "Events per user";
      default -> "Mean per user";
    };
  }

  private static String effectUnit(String kind) {
    return switch (kind) {
      case "proportion" -> "percentage points";
      case "ratio" -> "of the ratio";
      case "count" -> "events per user";
      default -> "per user";
    };
  }

  private VariantRow variant(Figures.Row row) {
    boolean share = row.text("kind").equals("proportion");
    Unit unit = share ? Unit.POINTS : Unit.PLAIN;
    int decimals =
        NumberText.decimals(
            row.number("effect"), row.number("effect_low"), row.number("effect_high"), unit);
    int meanDecimals =
        row.number("effect_low") != null
            ? decimals
            : NumberText.decimals(row.number("mean"), null, null, unit);
    return new VariantRow(
        id(row),
        variantNameOf(row),
        row.text("variant_name").equals(variantNameOf(row)) ? "" : row.text("variant_name"),
        row.isTrue("is_control"),
        row.text("verdict"),
        new Shown(
            row.text("mean"),
            NumberText.level(row.number("mean"), meanDecimals, share ? Unit.PERCENT : Unit.PLAIN)),
        new Shown(row.text("n"), NumberText.count(orZero(row.number("n")))),
        estimate(row, "lift", "always_valid_lift", Unit.PERCENT),
        estimate(row, "effect", "always_valid", unit),
        cuped(row, unit),
        new Shown(row.text("p"), NumberText.p(row.number("p"))),
        new Shown(row.text("always_valid_p"), NumberText.p(row.number("always_valid_p"))));
  }

  private static Estimate estimate(Figures.Row row, String column, String always, Unit unit) {
    int decimals =
        NumberText.decimals(
            row.number(column), row.number(column + "_low"), row.number(column + "_high"), unit);
    return new Estimate(
        column,
        row.text(column),
        NumberText.change(row.number(column), decimals, unit),
        interval(row, column, decimals, unit),
        interval(row, always, decimals, unit));
  }

  private static Interval interval(Figures.Row row, String column, int decimals, Unit unit) {
    Double low = row.number(column + "_low");
    Double high = row.number(column + "_high");
    if (low == null || high == null) {
      return null;
    }
    return new Interval(
        column + "_low",
        column + "_high",
        row.text(column + "_low"),
        NumberText.change(low, decimals, unit),
        row.text(column + "_high"),
        NumberText.change(high, decimals, unit),
        low > 0 ? "above 0" : high < 0 ? "below 0" : "includes 0");
  }

  private static Cuped cuped(Figures.Row row, Unit unit) {
    Double effect = row.number("cuped_effect");
    if (effect == null) {
      return null;
    }
    Double low = row.number("cuped_effect_low");
    Double high = row.number("cuped_effect_high");
    int decimals = NumberText.decimals(effect, low, high, unit);
    return new Cuped(
        row.text("cuped_effect"),
        NumberText.change(effect, decimals, unit),
        low == null ? "" : NumberText.change(low, decimals, unit),
        NumberText.change(high, decimals, unit));
  }

  private Plot liftPlot(ArrayNode lifts, String metric, List<Figures.Row> rows) {
    Figures.Row last = last(rows);
    Estimate lift = estimate(last, "lift", "always_valid_lift", Unit.PERCENT);
    ObjectNode panel = lifts.addObject();
    panel.put("metric", metric).put("end", lift.shown());
    days(panel, rows, "as_of_day");
    numbers(panel, "value", rows, "lift");
    numbers(panel, "low", rows, "lift_low");
    numbers(panel, "high", rows, "lift_high");
    numbers(panel, "alwaysLow", rows, "always_valid_lift_low");
    numbers(panel, "alwaysHigh", rows, "always_valid_lift_high");
    int index = lifts.size() - 1;
    return new Plot(
        "lift-" + index,
        "lift",
        index,
        variantNameOf(last),
        between(rows, "as_of_day")
            + ". At the end "
            + lift.shown()
            + (lift.fixed() == null
                ? ", without an interval."
                : "; one look "
                    + lift.fixed().low()
                    + " to "
                    + lift.fixed().high()
                    + (lift.always() == null
                        ? "."
                        : "; any day "
                            + lift.always().low()
                            + " to "
                            + lift.always().high()
                            + ".")));
  }

  private Map<Long, List<Figures.Row>> cumulative(String metric) {
    return experiment.table("cumulative").rows().stream()
        .filter(row -> row.text("metric").equals(metric))
        .collect(Collectors.groupingBy(ReportPage::id, LinkedHashMap::new, Collectors.toList()));
  }

  private Plot meanPlot(ArrayNode means, String metric, long variant, List<Figures.Row> rows) {
    Figures.Row last = last(rows);
    boolean share = last.text("kind").equals("proportion");
    Unit unit = share ? Unit.PERCENT : Unit.PLAIN;
    Double low = last.number("mean_low");
    Double high = last.number("mean_high");
    int decimals = NumberText.decimals(last.number("mean"), low, high, unit);
    String shown = NumberText.level(last.number("mean"), decimals, unit);
    String title = meanName(last.text("kind"));
    ObjectNode panel = means.addObject();
    panel.put("metric", metric).put("end", shown).put("share", share);
    panel.put("title", title.toLowerCase(Locale.ROOT) + (share ? ", %" : ""));
    days(panel, rows, "day");
    numbers(panel, "value", rows, "mean");
    numbers(panel, "low", rows, "mean_low");
    numbers(panel, "high", rows, "mean_high");
    int index = means.size() - 1;
    return new Plot(
        "mean-" + index,
        "mean",
        index,
        variants.getOrDefault(variant, "variant " + variant),
        between(rows, "day")
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

  private List<Plot> users(ObjectNode figures) {
    ArrayNode panels = figures.putArray("users");
    Map<Long, Map<String, List<Figures.Row>>> byVariant = new LinkedHashMap<>();
    for (Figures.Row row : experiment.table("daily").rows()) {
      byVariant
          .computeIfAbsent(id(row), variant -> new LinkedHashMap<>())
          .computeIfAbsent(row.text("metric"), metric -> new ArrayList<>())
          .add(row);
    }
    List<Plot> plots = new ArrayList<>();
    byVariant.forEach(
        (variant, metrics) -> {
          // A user is new on one day, whatever the metric: any metric's row of the day says it.
          Map<String, Figures.Row> days = new TreeMap<>();
          metrics.values().forEach(rows -> rows.forEach(row -> days.put(row.text("day"), row)));
          List<Figures.Row> rows = List.copyOf(days.values());
          ObjectNode panel = panels.addObject();
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
                                    ? orZero(byDay.get(day).number("active_users"))
                                    : 0));
              });
          int index = panels.size() - 1;
          plots.add(
              new Plot(
                  "users-" + index,
                  "users",
                  index,
                  variants.getOrDefault(variant, variantNameOf(rows.get(0))),
                  between(rows, "day")
                      + ". On the last day "
                      + NumberText.count(orZero(last(rows).number("new_users")))
                      + " new."));
        });
    return plots;
  }

  private List<Allocation> allocation() {
    List<Figures.Row> rows = experiment.table("health").rows();
    if (rows.isEmpty()) {
      return List.of();
    }
    Figures.Row row = last(rows);
    List<Allocation> lines = new ArrayList<>();
    for (int i = 0; i < row.get("variant_ids").size(); i++) {
      long variant = row.get("variant_ids").get(i).asLong();
      lines.add(
          new Allocation(
              variants.getOrDefault(variant, "variant " + variant),
              NumberText.count(row.get("assigned_users").path(i).asDouble()),
              row.get("assigned_shares").path(i).isNumber()
                  ? NumberText.level(row.get("assigned_shares").get(i).asDouble(), 2, Unit.PERCENT)
                  : NumberText.NONE,
              NumberText.count(row.get("weights").path(i).asDouble()),
              NumberText.count(row.get("exposed_users").path(i).asDouble())));
    }
    return lines;
  }

  private Plot srm(ObjectNode figures) {
    List<Figures.Row> rows = experiment.table("health").rows();
    List<Figures.Row> tested = rows.stream().filter(row -> row.number("srm_p") != null).toList();
    if (tested.isEmpty()) {
      return null;
    }
    ObjectNode panel = figures.putObject("srm");
    days(panel, rows, "day");
    numbers(panel, "p", rows, "srm_p");
    Double p = last(tested).number("srm_p");
    return new Plot(
        "srm-0",
        "srm",
        0,
        "p of the sample ratio, up to each day",
        between(rows, "day")
            + ". Chi-square test of the users assigned at random against the weights; at the end p = "
            + NumberText.significant(p)
            + (p < 0.001 ? ": the split is not as planned." : "."));
  }

  private Plot findings(ObjectNode figures) {
    List<Figures.Row> rows = experiment.table("findings_by_day").rows();
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
          .put("open", orZero(row.number("open")))
          .put("resolved", orZero(row.number("resolved")));
    }
    List<Figures.Row> byDay =
        rows.stream().sorted((a, b) -> day(a, "day").compareTo(day(b, "day"))).toList();
    return new Plot(
        "findings-0",
        "findings",
        0,
        "Findings by the day of the change that showed them",
        between(byDay, "day") + ", " + byCode.size() + (byCode.size() == 1 ? " code." : " codes."));
  }

  private List<OpenFinding> openFindings() {
    return experiment.table("open_findings").rows().stream()
        .map(
            row ->
                new OpenFinding(
                    row.text("scope").equals("warehouse") ? "of the whole warehouse" : "",
                    row.text("severity"),
                    row.text("severity").toLowerCase(Locale.ROOT),
                    row.text("code"),
                    NumberText.count(orZero(row.number("open"))),
                    row.text("first_day").equals(row.text("last_day"))
                        ? DAY.format(day(row, "first_day"))
                        : DAY.format(day(row, "first_day"))
                            + " – "
                            + DAY.format(day(row, "last_day")),
                    row.text("remedy"),
                    row.text("details").isEmpty()
                        ? List.of()
                        : List.of(row.text("details").split("\n"))))
        .toList();
  }

  private static String between(List<Figures.Row> rows, String column) {
    String first = DAY.format(day(rows.get(0), column));
    String last = DAY.format(day(last(rows), column));
    return first.equals(last) ? "On " + first : first + " to " + last;
  }

  private static void days(ObjectNode panel, List<Figures.Row> rows, String column) {
    ArrayNode days = panel.putArray("days");
    rows.forEach(row -> days.add(row.text(column)));
  }

  private static void numbers(
      ObjectNode panel, String name, List<Figures.Row> rows, String column) {
    ArrayNode numbers = panel.putArray(name);
    rows.forEach(row -> numbers.add(row.number(column)));
  }

  private static LocalDate day(Figures.Row row, String column) {
    return LocalDate.parse(row.text(column));
  }

  private static Figures.Row last(List<Figures.Row> rows) {
    return rows.get(rows.size() - 1);
  }

  private static boolean isControl(List<Figures.Row> rows) {
    return last(rows).isTrue("is_control");
  }

  private static long id(Figures.Row row) {
    return row.get("variant_id").asLong();
  }

  private static String variantNameOf(Figures.Row row) {
    return row.text("variant_key").isEmpty()
        ? "variant " + row.text("variant_id")
        : row.text("variant_key");
  }

  private static double orZero(Double number) {
    return number == null ? 0 : number;
  }
}
