from .import *
import \
 x as
def f(