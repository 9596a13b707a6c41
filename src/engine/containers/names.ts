import { randomInt } from 'node:crypto';

const ADJECTIVES = `able agile alert amber ample apt ardent artful avid balmy blithe bold bonny bouncy breezy bright
  brisk bubbly calm candid canny careful cheery chipper civil classy clear clement comely cordial cosmic cosy curious dapper
  daring dashing deft diligent droll dulcet earnest eloquent fabled fair faithful fearless fleet fluent fond frank frugal genial
  gentle gifted gleaming golden graceful grand handy hardy hearty helpful honest humble ideal jaunty jolly jovial keen kind
  lively loyal lucid lucky mellow merry mighty mindful modest neat nimble noble patient peppy placid playful plucky polite prudent
  quick quiet radiant ready robust rosy serene shiny silent sincere smart snug spry stellar sturdy sunny swift tidy tranquil
  upbeat valiant vivid warm wise witty zesty`
  .trim()
  .split(/\s+/);

/** Surnames of people of science, mathematics and engineering. */
const SURNAMES =
  `abel alvarez ampere anning archimedes aryabhata avogadro babbage banneker bardeen becquerel bernoulli bessel
  bohr boltzmann boole bose brahe braun burnell cannon cantor carson carver cauchy cavendish chandrasekhar chatelet clausius
  copernicus coulomb crick curie cuvier dalton darwin davy descartes dijkstra dirac doppler eddington edison einstein elion
  engelbart euclid euler faraday fermat fermi feynman fibonacci fleming foucault fourier franklin galilei galois gauss germain
  gibbs godel goodall hamilton harvey hawking heisenberg helmholtz herschel hertz hilbert hodgkin hooke hopper hubble hypatia
  huygens jemison johnson joule kelvin kepler khwarizmi kirchhoff knuth kovalevskaya lagrange lamarr laplace lavoisier leavitt
  leibniz liskov lorentz lovelace mach margulis maxwell mcclintock meitner mendel mendeleev mirzakhani mitchell newton nobel
  noether ohm pasteur pauli pauling planck poincare ptolemy raman ramanujan riemann ritchie rubin rutherford sagan salk
  schrodinger shannon somerville tesla thales torvalds turing volta wallace watt wiles wilkes wu yalow yonath`
    .trim()
    .split(/\s+/);

/** How often a plain name is tried before digits are added. */
const PLAIN_ATTEMPTS = 6;

/** A free "adjective_surname" name; with a number when chance keeps hitting taken ones. */
export function generateName(isTaken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const name = `${ADJECTIVES[randomInt(ADJECTIVES.length)]}_${SURNAMES[randomInt(SURNAMES.length)]}`;
    const candidate =
      attempt < PLAIN_ATTEMPTS ? name : `${name}${randomInt(10 ** Math.min(attempt - PLAIN_ATTEMPTS + 1, 9))}`;
    if (!isTaken(candidate)) return candidate;
  }
}
