package io.experimentetl.mapping;

import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import java.io.Serializable;
import java.util.List;

/**
 * The experiments and variants that the configuration declares, of a platform that has no tables of
 * them.
 */
public record DeclaredExperiments(List<ExperimentRow> experiments, List<VariantRow> variants)
    implements Serializable {

  public DeclaredExperiments {
    experiments = List.copyOf(experiments);
    variants = List.copyOf(variants);
  }

  /** The rows of one kind; empty: it declares none of this kind. */
  public List<? extends SourceRow> of(SourceTable table) {
    return switch (table) {
      case EXPERIMENTS -> experiments;
      case VARIANTS -> variants;
      default -> List.of();
    };
  }
}
