package io.experimentetl.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class TextListTest {

  @Property
  void everyListIsReadBack(@ForAll("lists") List<String> values) {
    assertThat(TextList.parse(TextList.of(values))).isEqualTo(values);
  }

  @Provide
  Arbitrary<List<String>> lists() {
    return Arbitraries.strings().ofMaxLength(5).injectNull(0.2).list().ofMaxSize(6);
  }
}
