package io.experimentetl.local.traffic;

import static io.experimentetl.local.traffic.Write.Kind.INSERT_ASSIGNMENT;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_EVENT;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_EXPERIMENT;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_USER;
import static io.experimentetl.local.traffic.Write.Kind.INSERT_VARIANT;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.experimentetl.local.PlatformException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipInputStream;

/**
 * A real A/B test of a landing page (Udacity, January 2017), as source tables: one user per user_id
 * with the country; one assignment per user, to the group of the user's earliest page view, at its
 * time; per page view an exposure in the variant of the page that was shown and, where it
 * converted, a conversion of the same time and variant. A user and the assignment go in before the
 * user's first page view in the order of the file; page views go in in that order.
 */
public final class UdacityData implements ReplayedSet {
  public static final long EXPERIMENT = 1;
  public static final long CONTROL = 11;
  public static final long TREATMENT = 12;
  private static final int ROWS_PER_TRANSACTION = 1_000;
  private static final Instant FROM = Instant.parse("2017-01-01T00:00:00Z");
  private static final Instant UNTIL = Instant.parse("2017-01-31T00:00:00Z");

  private final List<PageView> pageViews;
  private final Map<String, PageView> earliest;
  private final Map<String, String> countries;
  private final List<GoldenDay> golden;

  private UdacityData(
      List<PageView> pageViews,
      Map<String, PageView> earliest,
      Map<String, String> countries,
      List<GoldenDay> golden) {
    this.pageViews = pageViews;
    this.earliest = earliest;
    this.countries = countries;
    this.golden = golden;
  }

  /** One line of the file. */
  private record PageView(
      int line, String user, String time, long group, long shown, boolean converted) {}

  /**
   * The known answer for one day and variant under policy {@code first}.
   *
   * @param day ISO, in UTC
   */
  public record GoldenDay(
      String day,
      long variant,
      long exposures,
      long users,
      long newUsers,
      long cumulativeUsers,
      long conversions,
      long converters,
      long newConverters,
      long cumulativeConverters) {}

  /**
   * Reads {@code ab_data.csv.zip}, {@code countries.csv.gz} and {@code
   * golden_daily_first_exposure.csv}.
   *
   * @throws PlatformException naming the file that is missing
   */
  public static UdacityData read(Path folder) {
    List<PageView> pageViews = new ArrayList<>();
    Map<String, PageView> earliest = new HashMap<>();
    Map<String, String> countries = new HashMap<>();
    List<GoldenDay> golden = new ArrayList<>();
    try (InputStream file = open(folder, "ab_data.csv.zip");
        ZipInputStream zip = new ZipInputStream(file)) {
      zip.getNextEntry();
      for (String[] row : rows(zip)) {
        PageView view =
            new PageView(
                pageViews.size() + 1,
                row[0],
                row[1],
                row[2].equals("treatment") ? TREATMENT : CONTROL,
                row[3].equals("new_page") ? TREATMENT : CONTROL,
                row[4].equals("1"));
        pageViews.add(view);
        // Times of one form sort as text.
        earliest.merge(view.user(), view, (a, b) -> a.time().compareTo(b.time()) <= 0 ? a : b);
      }
    } catch (IOException e) {
      throw new PlatformException(folder + "/ab_data.csv.zip can't be read: " + e, e);
    }
    try (InputStream file = open(folder, "countries.csv.gz");
        InputStream plain = new GZIPInputStream(file)) {
      for (String[] row : rows(plain)) {
        countries.put(row[0], row[1]);
      }
    } catch (IOException e) {
      throw new PlatformException(folder + "/countries.csv.gz can't be read: " + e, e);
    }
    try (InputStream file = open(folder, "golden_daily_first_exposure.csv")) {
      for (String[] row : rows(file)) {
        long[] figures = new long[row.length];
        for (int i = 2; i < row.length; i++) {
          figures[i] = Long.parseLong(row[i]);
        }
        golden.add(
            new GoldenDay(
                row[0],
                row[1].equals("treatment") ? TREATMENT : CONTROL,
                figures[2],
                figures[3],
                figures[4],
                figures[5],
                figures[6],
                figures[7],
                figures[8],
                figures[9]));
      }
    } catch (IOException e) {
      throw new PlatformException(
          folder + "/golden_daily_first_exposure.csv can't be read: " + e, e);
    }
    return new UdacityData(pageViews, earliest, countries, golden);
  }

  private static InputStream open(Path folder, String name) throws IOException {
    Path file = folder.resolve(name);
    if (!Files.isReadable(file)) {
      throw new PlatformException(
          file + " is missing: name the folder that holds the Udacity set by --data.");
    }
    return Files.newInputStream(file);
  }

  /** The rows without the header. No field of these files is quoted. */
  private static List<String[]> rows(InputStream csv) {
    return new BufferedReader(new InputStreamReader(csv, UTF_8))
        .lines()
        .skip(1)
        .map(line -> line.strip().split(",", -1))
        .toList();
  }

  public int users() {
    return earliest.size();
  }

  public int exposures() {
    return pageViews.size();
  }

  public int conversions() {
    return (int) pageViews.stream().filter(PageView::converted).count();
  }

  /** Event rows: exposures and conversions. */
  @Override
  public int events() {
    return exposures() + conversions();
  }

  /** Exposures whose delivered variant is not the assigned one. */
  public int mismatchedExposures() {
    return (int) pageViews.stream().filter(this::isMismatch).count();
  }

  /** Event rows whose delivered variant is not the assigned one. */
  public int mismatchedEvents() {
    return mismatchedExposures()
        + (int) pageViews.stream().filter(v -> v.converted() && isMismatch(v)).count();
  }

  /** Users who were shown another variant than the assigned one. */
  public int crossoverUsers() {
    return (int) pageViews.stream().filter(this::isMismatch).map(PageView::user).distinct().count();
  }

  /** The known figures by day and variant, under the policy {@code first}. */
  public List<GoldenDay> golden() {
    return golden;
  }

  private boolean isMismatch(PageView view) {
    return view.shown() != assigned(view.user());
  }

  private long assigned(String user) {
    return earliest.get(user).group();
  }

  @Override
  public Load load(int connections) {
    return new Load(
        FROM,
        UNTIL,
        dimensions(),
        IntStream.range(0, connections)
            .<Lane>mapToObj(i -> new ReplayLane(i, connections))
            .toList(),
        Double.POSITIVE_INFINITY);
  }

  private static List<Write> dimensions() {
    String from = FROM.toString();
    return List.of(
        Write.of(
            INSERT_EXPERIMENT,
            EXPERIMENT,
            "landing_page",
            "Landing page",
            null,
            "COMPLETED",
            "udacity",
            1,
            null,
            from,
            UNTIL.toString(),
            from,
            from),
        Write.of(
            INSERT_VARIANT,
            CONTROL,
            EXPERIMENT,
            "control",
            "Old page",
            null,
            50,
            true,
            null,
            from,
            from),
        Write.of(
            INSERT_VARIANT,
            TREATMENT,
            EXPERIMENT,
            "treatment",
            "New page",
            null,
            50,
            false,
            null,
            from,
            from));
  }

  /** The page views of the users whose id leaves one remainder. */
  private final class ReplayLane implements Lane {
    private final int lane;
    private final int lanes;
    private final Set<String> seen = new HashSet<>();
    private int next;

    ReplayLane(int lane, int lanes) {
      this.lane = lane;
      this.lanes = lanes;
    }

    @Override
    public List<Write> next() {
      List<Write> users = new ArrayList<>();
      List<Write> assignments = new ArrayList<>();
      List<Write> events = new ArrayList<>();
      for (int rows = 0; rows < ROWS_PER_TRANSACTION && next < pageViews.size(); next++) {
        PageView view = pageViews.get(next);
        int user = Integer.parseInt(view.user());
        if (user % lanes != lane) {
          continue;
        }
        rows++;
        if (seen.add(view.user())) {
          String at = earliest.get(view.user()).time() + "+00";
          String country = countries.get(view.user());
          users.add(
              Write.of(
                  INSERT_USER,
                  view.user(),
                  null,
                  null,
                  country == null ? null : "{\"country\": \"" + country + "\"}",
                  true,
                  at,
                  at));
          assignments.add(
              Write.of(
                  INSERT_ASSIGNMENT,
                  (long) user,
                  EXPERIMENT,
                  view.user(),
                  assigned(view.user()),
                  1,
                  "hash",
                  null,
                  at,
                  null,
                  at,
                  at));
        }
        events.add(event("exposure", view));
        if (view.converted()) {
          events.add(event("conversion", view));
        }
      }
      List<Write> all = new ArrayList<>(users);
      all.addAll(assignments);
      all.addAll(events);
      return all;
    }

    private Write event(String type, PageView view) {
      return Write.of(
          INSERT_EVENT,
          UUID.nameUUIDFromBytes((type + view.line()).getBytes(UTF_8)).toString(),
          view.time() + "+00",
          EXPERIMENT,
          view.user(),
          view.shown(),
          type,
          null,
          null,
          null,
          "line-" + view.line());
    }
  }
}
