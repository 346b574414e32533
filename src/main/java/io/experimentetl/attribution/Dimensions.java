package io.experimentetl.attribution;

import io.experimentetl.model.AllocationHistory;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** The current experiments and variants by id, and the calendars of their zones. */
public final class Dimensions {
  private final LongMap<ExperimentDimension> experiments = new LongMap<>();
  private final LongMap<VariantDimension> variants = new LongMap<>();
  private final Map<Long, AllocationHistory> allocations = new HashMap<>();
  private final Map<Long, Set<Long>> variantsByExperiment = new HashMap<>();
  private final LongMap<Long> versions = new LongMap<>();

  /** By experiment and version, what belonged to the experiment while users are counted by it. */
  private final Map<Long, TreeMap<Long, Dimensions>> formerly = new HashMap<>();

  private final Map<String, ExperimentCalendar> calendars = new HashMap<>();
  private final String defaultZone;
  private final ExperimentCalendar defaultCalendar;

  public Dimensions(String defaultZone) {
    this.defaultZone = defaultZone;
    this.defaultCalendar = new ExperimentCalendar(defaultZone);
    calendars.put(defaultZone, defaultCalendar);
  }

  /** A copy of what belongs to some experiments, which later changes do not affect. */
  Dimensions copyOf(Collection<Long> experimentIds) {
    Dimensions copy = new Dimensions(defaultZone);
    for (long id : experimentIds) {
      if (experiments.containsKey(id)) {
        copy.put(experiments.get(id));
      }
      if (allocations.containsKey(id)) {
        copy.putAllocation(id, allocations.get(id));
      }
      for (long variant : variantsByExperiment.getOrDefault(id, Set.of())) {
        copy.put(variants.get(variant));
      }
      copy.versions.put(id, versionOf(id));
    }
    return copy;
  }

  /** Dimensions of which nothing is known. */
  Dimensions empty() {
    return new Dimensions(defaultZone);
  }

  /** Keeps what belonged to an experiment, until {@link #forget}. */
  void remember(long experimentId, Dimensions former) {
    formerly
        .computeIfAbsent(experimentId, id -> new TreeMap<>())
        .put(former.versionOf(experimentId), former);
  }

  void forget(long experimentId, long version) {
    formerly.computeIfPresent(
        experimentId,
        (id, versionsOf) -> {
          versionsOf.remove(version);
          return versionsOf.isEmpty() ? null : versionsOf;
        });
  }

  /**
   * What belonged to the experiment when a user was counted by the version. A version that is not
   * kept differs from the next one by rows that no user referred to.
   */
  Dimensions former(long experimentId, long version) {
    TreeMap<Long, Dimensions> versionsOf = formerly.get(experimentId);
    Map.Entry<Long, Dimensions> former =
        versionsOf == null ? null : versionsOf.ceilingEntry(version);
    return former == null ? this : former.getValue();
  }

  /** All known variants. */
  Collection<VariantDimension> variants() {
    return variants.values();
  }

  /**
   * The version of what decides how a user of the experiment is counted: its dates and zone, and
   * which variants belong to it. 0: nothing of it is known.
   */
  long versionOf(long experimentId) {
    Long version = versions.get(experimentId);
    return version == null ? 0 : version;
  }

  void putVersion(long experimentId, long version) {
    versions.put(experimentId, version);
  }

  /** The experiment, or null where it is not known. */
  public ExperimentDimension experiment(long id) {
    return experiments.get(id);
  }

  /** All known experiments. */
  Collection<ExperimentDimension> experiments() {
    return experiments.values();
  }

  /** The variant, or null where it is not known. */
  public VariantDimension variant(long id) {
    return variants.get(id);
  }

  /** The phases of an experiment's allocation. */
  AllocationHistory allocationOf(long experimentId) {
    return allocations.getOrDefault(experimentId, AllocationHistory.NONE);
  }

  void putAllocation(long experimentId, AllocationHistory allocation) {
    allocations.put(experimentId, allocation);
  }

  public void put(ExperimentDimension experiment) {
    experiments.put(experiment.id(), experiment);
  }

  public void put(VariantDimension variant) {
    removeVariant(variant.id());
    variants.put(variant.id(), variant);
    variantsByExperiment
        .computeIfAbsent(variant.experimentId(), id -> new TreeSet<>())
        .add(variant.id());
  }

  public void removeExperiment(long id) {
    experiments.remove(id);
    allocations.remove(id);
  }

  public void removeVariant(long id) {
    VariantDimension old = variants.remove(id);
    if (old != null) {
      variantsByExperiment.computeIfPresent(
          old.experimentId(), (experiment, ids) -> ids.remove(id) && ids.isEmpty() ? null : ids);
    }
  }

  /** The calendar of the experiment's zone, or of the default zone where it is not known. */
  public ExperimentCalendar calendarOf(ExperimentDimension experiment) {
    if (experiment == null || experiment.zone().equals(defaultZone)) {
      return defaultCalendar;
    }
    return calendars.computeIfAbsent(experiment.zone(), ExperimentCalendar::new);
  }
}
