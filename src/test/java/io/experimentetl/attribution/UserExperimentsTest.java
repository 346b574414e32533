package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class UserExperimentsTest {
  @Property(tries = 300)
  void addsAndRemovesAsAMapInTheOrderOfAdditions(
      @ForAll @Size(max = 120) List<@IntRange(min = 0, max = 40) Integer> ids) {
    UserExperiments experiments = new UserExperiments();
    Map<Long, ExperimentFacts> expected = new LinkedHashMap<>();
    for (long id : ids) {
      if (expected.remove(id) != null) {
        experiments.remove(id);
      } else {
        ExperimentFacts facts = new ExperimentFacts(id);
        experiments.add(facts);
        expected.put(id, facts);
      }
    }

    for (long id = 0; id <= 40; id++) {
      assertThat(experiments.get(id)).isSameAs(expected.get(id));
    }
    List<ExperimentFacts> inOrder = new ArrayList<>();
    for (int i = 0; i < experiments.size(); i++) {
      inOrder.add(experiments.at(i));
    }
    assertThat(inOrder).containsExactlyElementsOf(expected.values());
  }
}
