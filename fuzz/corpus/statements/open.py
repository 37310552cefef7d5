"""never closed
import a