package io.experimentetl.report;

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

/**
 * The page: the views' figures, laid out; nothing is computed. Texts from the database are escaped
 * by the template, and by the JSON that the plots read. The content security policy allows no
 * request, and only the two scripts of the page.
 */
final class ReportPage {
  private static final String D3 = "META-INF/resources/webjars/d3/7.9.0/dist/d3.min.js";

  private final Experiment experiment;

  /** Every row of experiment_results by metric and variant, in the order of days. */
  private final Map<String, Map<Long, List<Figures.Row>>> results = new LinkedHashMap<>();

  private final Map<Long, String> variants = new HashMap<>();

  ReportPage(Experiment experiment) {
    this.experiment = experiment;
    for (Figures.Row row : experiment.table("results").rows()) {
      results
          .computeIfAbsent(row.text("metric"), metric -> new LinkedHashMap<>())
          .computeIfAbsent(PageRows.variantId(row), variant -> new ArrayList<>())
          .add(row);
      variants.put(PageRows.variantId(row), PageRows.variantName(row));
    }
  }

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
    Plots plots = new Plots(experiment.zone());
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
    page.put("verdict", Verdict.of(results));
    page.put("holds", holds());
    page.put("zone", experiment.zone());
    page.put("zoneIsFrom", experiment.zoneIsFrom());
    page.put("lastDay", lastDay());
    page.put("metrics", metrics(plots));
    page.put("users", orNothing(plots.users(experiment.table("daily"), variants)));
    page.put("allocation", orNothing(allocation()));
    page.put("srm", plots.srm(experiment.table("health")));
    page.put("findings", plots.findings(experiment.table("findings_by_day")));
    page.put("openFindings", orNothing(openFindings()));
    page.put(
        "madeAt",
        DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm").format(LocalDateTime.now(ZoneOffset.UTC)));
    page.put("figures", plots.json());
    return Mustache.compiler()
        .withLoader(name -> new StringReader(Views.resource(name + ".html").stripTrailing()))
        .emptyStringIsFalse(true)
        .nullValue("")
        .compile(Views.resource("page.html"))
        .execute(page);
  }

  /** The template enters a section once per element: an empty list must be no element. */
  static <T> List<List<T>> orNothing(List<T> list) {
    return list.isEmpty() ? List.of() : List.of(list);
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
      return "The job has completed no checkpoint yet: the figures below are not guaranteed.";
    }
    Figures.Row row = experiment.progress().rows().get(0);
    String loaded =
        row.isTrue("snapshot_done")
            ? ""
            : " The initial load is not finished: figures are incomplete.";
    if (row.text("lsn").isEmpty()) {
      return "Contains the rows of the initial load so far; no transaction after it is visible yet."
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
        .map(rows -> PageRows.day(PageRows.last(rows), "as_of_day"))
        .max(LocalDate::compareTo)
        .map(PageRows.DAY::format)
        .orElse("");
  }

  private List<MetricSection> metrics(Plots plots) {
    List<MetricSection> metrics = new ArrayList<>();
    results.forEach(
        (metric, rows) ->
            metrics.add(MetricSection.of(metric, rows, experiment.table("cumulative"), plots)));
    return metrics;
  }

  private List<Allocation> allocation() {
    List<Figures.Row> rows = experiment.table("health").rows();
    if (rows.isEmpty()) {
      return List.of();
    }
    Figures.Row row = PageRows.last(rows);
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

  private List<OpenFinding> openFindings() {
    return experiment.table("open_findings").rows().stream()
        .map(
            row ->
                new OpenFinding(
                    row.text("scope").equals("warehouse") ? "of the whole warehouse" : "",
                    row.text("severity"),
                    row.text("severity").toLowerCase(Locale.ROOT),
                    row.text("code"),
                    NumberText.count(PageRows.orZero(row.number("open"))),
                    row.text("first_day").equals(row.text("last_day"))
                        ? PageRows.DAY.format(PageRows.day(row, "first_day"))
                        : PageRows.DAY.format(PageRows.day(row, "first_day"))
                            + " – "
                            + PageRows.DAY.format(PageRows.day(row, "last_day")),
                    row.text("remedy"),
                    row.text("details").isEmpty()
                        ? List.of()
                        : List.of(row.text("details").split("\n"))))
        .toList();
  }
}
